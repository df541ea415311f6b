"""All extensions together: what they offer, by name."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from voice_host.plugins import Phase
from voice_host.plugins.extensions.outcomes import BrokenExtension, LoadedExtension
from voice_host_sdk import Authenticator, SessionObserver, SpeechToText, TextToSpeech

_Service = TypeVar("_Service")


class ExtensionsBroken(Exception):
    """The host must not run without an extension that is broken: it may be what guards the door."""

    def __init__(self, broken: Sequence[BrokenExtension]) -> None:
        super().__init__("; ".join(str(each) for each in broken))
        self.broken = tuple(broken)


@dataclass(frozen=True, slots=True)
class Offer(Generic[_Service]):
    """A speech service that an extension offers: `make` makes it."""

    extension: LoadedExtension
    make: Callable[[], _Service]


class Extensions:
    """What the extensions of a host offer. Names of services are unique.

    Args:
        outcomes: of loading them.

    Raises:
        ExtensionsBroken: one of them is.
    """

    def __init__(self, outcomes: Iterable[LoadedExtension | BrokenExtension]) -> None:
        outcomes = list(outcomes)
        if broken := [outcome for outcome in outcomes if isinstance(outcome, BrokenExtension)]:
            raise ExtensionsBroken(broken)
        self.loaded = tuple(outcome for outcome in outcomes if isinstance(outcome, LoadedExtension))
        self.speech_to_text: Mapping[str, Offer[SpeechToText]] = {
            name: Offer(each, make) for each in self.loaded for name, make in each.speech_to_text.items()
        }
        self.text_to_speech: Mapping[str, Offer[TextToSpeech]] = {
            name: Offer(each, make) for each in self.loaded for name, make in each.text_to_speech.items()
        }

    @property
    def authenticators(self) -> Mapping[str, Authenticator]:
        """The authenticators by the name of their extension, in the order in which they are asked."""
        return {each.id: each.authenticator for each in self.loaded if each.authenticator is not None}

    @property
    def observers(self) -> Mapping[str, SessionObserver]:
        """The observers by the name of their extension."""
        return {each.id: each.observer for each in self.loaded if each.observer is not None}


def refuse_same_services(
    outcomes: Sequence[LoadedExtension | BrokenExtension], host: str
) -> list[LoadedExtension | BrokenExtension]:
    """Return `outcomes` with each extension broken that gives a service a name that another one gives too.

    Args:
        host: the extension that is the host itself. The name is its own then, and only the other one is broken.
    """
    loaded = [outcome for outcome in outcomes if isinstance(outcome, LoadedExtension)]
    refused: dict[str, str] = {}
    for kind, name, owners in _shared_names(loaded):
        for owner in owners:
            if owner != host:
                others = " and ".join(repr(other) for other in owners)
                refused.setdefault(owner, f"the {kind} service {name!r} is offered more than once: by {others}")
    hint = "rename one of the services, or leave out one of the extensions with extensions.allow"
    return [
        BrokenExtension(outcome.discovered, Phase.CONFIGURED, refused[outcome.id], hint, import_ms=outcome.import_ms)
        if isinstance(outcome, LoadedExtension) and outcome.id in refused
        else outcome
        for outcome in outcomes
    ]


def _shared_names(loaded: Sequence[LoadedExtension]) -> Iterator[tuple[str, str, list[str]]]:
    owners: dict[tuple[str, str], list[str]] = defaultdict(list)
    for each in loaded:
        for name in each.speech_to_text:
            owners["speech-to-text", name].append(each.id)
        for name in each.text_to_speech:
            owners["text-to-speech", name].append(each.id)
    yield from ((kind, name, names) for (kind, name), names in owners.items() if len(names) > 1)
