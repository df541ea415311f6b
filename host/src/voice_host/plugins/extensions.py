"""The platform's extensions: loading them, what they offer together, and starting and stopping them.

A host must not start with a broken extension, which may be its authenticator.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from typing import Any, Generic, TypeVar

import pluggy

from voice_host.plugins.discovery import discover_extensions
from voice_host.plugins.hooks import ask, call_hook, has_hook, register
from voice_host.plugins.kinds import EXTENSION, HOST_EXTENSION
from voice_host.plugins.lifecycle import load_plugin, load_warnings, run_callback
from voice_host.plugins.phases import BrokenExtension, DiscoveredExtension, LoadedExtension, Phase
from voice_host.plugins.requirements import HOST_DISTRIBUTION
from voice_host.plugins.validate import valid_authenticator, valid_observer, valid_services
from voice_host.settings import Settings, meant_instead, read_only, secret_texts
from voice_host_sdk import Authenticator, SessionObserver, SpeechToText, TextToSpeech

log = logging.getLogger(__name__)

_HOST_VERSION = version(HOST_DISTRIBUTION)  # looked up at import, because it reads a file

_Valid = TypeVar("_Valid")
_Service = TypeVar("_Service")


class ExtensionsBroken(Exception):
    """The host must not run with these broken extensions."""

    def __init__(self, broken: Sequence[BrokenExtension]) -> None:
        super().__init__("; ".join(str(each) for each in broken))
        self.broken = tuple(broken)


@dataclass(frozen=True, slots=True)
class Offer(Generic[_Service]):
    """A speech service that an extension offers, and the function that makes it."""

    extension: LoadedExtension
    make: Callable[[], _Service]


class Extensions:
    """All extensions of a host, and what they offer. Names of services are unique.

    Args:
        outcomes: of loading or starting them.

    Raises:
        ExtensionsBroken: one of them is broken.
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

    @property
    def with_speech(self) -> tuple[LoadedExtension, ...]:
        """The extensions that offer speech services, without the host's own. Workers load them, too."""
        others = (each for each in self.loaded if each.id != HOST_EXTENSION)
        return tuple(each for each in others if each.speech_to_text or each.text_to_speech)


# --- loading ------------------------------------------------------------------------------------------------------


def load_extensions(settings: Settings, built_in: object) -> list[LoadedExtension | BrokenExtension]:
    """Load the built-in extension, then all installed ones that are allowed, by name.

    The extensions' code runs in the calling thread, like that of agents in `load_agent`. Never raises for what it does.

    Args:
        settings: each extension gets its own table of them alone.
        built_in: the object with the hooks of the built-in extension.
    """
    discovered = discover_extensions()
    outcomes: list[LoadedExtension | BrokenExtension] = [load_built_in(built_in)]
    for found in discovered:
        if not settings.extensions.allows(found.id):
            continue
        if isinstance(found, DiscoveredExtension):
            outcomes.append(_load(found, settings.for_extension(found.id)))
        else:
            outcomes.append(found)
    outcomes += _not_installed(settings, {found.id for found in discovered})
    return _refuse_same_services(outcomes)


def load_built_in(built_in: object) -> LoadedExtension:
    """Return the built-in extension alone. See `load_extensions`."""
    found = DiscoveredExtension(HOST_EXTENSION, HOST_DISTRIBUTION, _HOST_VERSION, type(built_in).__module__, None)
    return _configured(found, register(built_in, EXTENSION), read_only({}))


def _load(found: DiscoveredExtension, settings: Mapping[str, Any]) -> LoadedExtension | BrokenExtension:
    def configure(manager: pluggy.PluginManager, import_ms: float) -> LoadedExtension:
        loaded = _configured(found, manager, read_only(settings))
        return replace(
            loaded,
            import_ms=import_ms,
            warnings=tuple(load_warnings(found, import_ms)),
            secrets=tuple(secret_texts(settings)),
        )

    return load_plugin(EXTENSION, found, settings, configure)


def _configured(
    found: DiscoveredExtension, manager: pluggy.PluginManager, settings: Mapping[str, Any]
) -> LoadedExtension:
    def offered(hook: str, valid: Callable[[object], _Valid], nothing: _Valid) -> _Valid:
        return ask(manager, hook, settings, lambda value: nothing if value is None else valid(value))

    def services(hook: str) -> Mapping[str, Callable[[], Any]]:
        return offered(hook, lambda value: valid_services(value, hook), read_only({}))

    def register_routes(app: Any) -> object:
        return call_hook(manager, "register_routes", app=app, settings=settings)

    return LoadedExtension(
        found,
        authenticator=offered("authenticator", valid_authenticator, None),
        observer=offered("session_observer", valid_observer, None),
        speech_to_text=services("speech_to_text_providers"),
        text_to_speech=services("text_to_speech_providers"),
        register_routes=register_routes if has_hook(manager, "register_routes") else None,
    )


def _not_installed(settings: Settings, installed: set[str]) -> list[BrokenExtension]:
    """Return a broken extension for each that the allow-list names but that is not installed.

    Settings of other extensions that are not installed only cause a warning.
    """
    path = ("extensions", "allow")
    where = settings.came_from(*path).where(path)
    for name in sorted(settings.extension.keys() - installed):
        log.warning("there are settings for the extension %s, which is not installed", name)
    return [
        BrokenExtension(
            DiscoveredExtension(name, "", "", "", None),
            Phase.DISCOVERED,
            f"{where} names it, but it is not installed{meant_instead(name, installed)}",
            "install it, or take it out of extensions.allow",
        )
        for name in settings.extensions.allow or ()
        if name not in installed
    ]


def _refuse_same_services(
    outcomes: Sequence[LoadedExtension | BrokenExtension],
) -> list[LoadedExtension | BrokenExtension]:
    """Return `outcomes`, with all extensions broken that offer a service under the same name.

    The names of the built-in extension are its own: only the other extension is broken then.
    """
    refused: dict[str, str] = {}
    for kind, name, owners in _shared_names(outcomes):
        for owner in owners:
            if owner != HOST_EXTENSION:
                others = " and ".join(repr(other) for other in owners)
                refused.setdefault(owner, f"the {kind} service {name!r} is offered more than once: by {others}")
    hint = "rename one of the services, or leave out one of the extensions with extensions.allow"
    return [
        BrokenExtension(outcome.discovered, Phase.CONFIGURED, refused[outcome.id], hint, import_ms=outcome.import_ms)
        if isinstance(outcome, LoadedExtension) and outcome.id in refused
        else outcome
        for outcome in outcomes
    ]


def _shared_names(outcomes: Iterable[LoadedExtension | BrokenExtension]) -> Iterator[tuple[str, str, list[str]]]:
    owners: dict[tuple[str, str], list[str]] = defaultdict(list)
    for each in outcomes:
        if isinstance(each, LoadedExtension):
            for name in each.speech_to_text:
                owners["speech-to-text", name].append(each.id)
            for name in each.text_to_speech:
                owners["text-to-speech", name].append(each.id)
    yield from ((kind, name, names) for (kind, name), names in owners.items() if len(names) > 1)


# --- once a process -----------------------------------------------------------------------------------------------


async def start_extension(extension: LoadedExtension, timeout_s: float) -> LoadedExtension | BrokenExtension:
    """Run `on_startup` of the extension's observer, if it has one. Never raises for what it does."""
    if extension.observer is None:
        return extension
    return await run_callback(EXTENSION, extension, Phase.STARTED, extension.observer.on_startup, timeout_s)


async def stop_extension(extension: LoadedExtension, timeout_s: float) -> LoadedExtension | BrokenExtension:
    """Run `on_shutdown` of the extension's observer, after the last event. Never raises for what it does."""
    if extension.observer is None:
        return extension
    return await run_callback(EXTENSION, extension, Phase.STOPPED, extension.observer.on_shutdown, timeout_s)
