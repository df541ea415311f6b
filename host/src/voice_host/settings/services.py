"""Speech services as the settings know them: their names, and the spec that each built-in one has in its folder.

The settings need a service's variables, and `auto` its rank, before any adapter is imported. So `speech/<name>/spec.py`
holds plain data and functions that import the adapter when they are called. Specs are found by looking through the
folders: no list of services exists.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, StringConstraints

from voice_host.settings.resilience import ResilienceSettings
from voice_host_sdk import SpeechToText, TextToSpeech

AUTO = "auto"
ServiceName = Annotated[str, StringConstraints(min_length=1)]
"""Any name: extensions add services, so the settings alone cannot tell which ones exist."""

Direction = Literal["speech_to_text", "text_to_speech"]
DIRECTIONS: tuple[Direction, ...] = ("speech_to_text", "text_to_speech")

_Service = TypeVar("_Service", SpeechToText, TextToSpeech)


class ServiceOptions(BaseModel):
    """What a service reads from environment variables: keys and addresses, never from the file.

    The alias of each field is its variable. Keys are `SecretStr | None`; a field with an address, which may hold a
    password, has `repr=False`. A field that shares its name and variable with another service's is set for both.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentAddress:
    """A field of `AgentConfig` that names an address for the service. The service's key is sent there.

    Attributes:
        field: path of the field, e.g. `tts_config.wss_url`.
        own_hosts: the service's own hosts, which are always allowed.
        overridden_by: the option that replaces the agent's address when the platform sets it.
    """

    field: str
    own_hosts: tuple[str, ...]
    overridden_by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Adapter(Generic[_Service]):
    """One direction of a service: speech-to-text or text-to-speech.

    Attributes:
        make: makes the adapter from the service's options. Called at most once in a process.
        auto_rank: `auto` takes the service with the lowest rank whose key is set; None: only when it is named.
        agent_address: None: agents cannot name an address for it.
    """

    make: Callable[[Any, ResilienceSettings], _Service]
    auto_rank: int | None = None
    agent_address: AgentAddress | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechService:
    """The spec of a built-in speech service: `SERVICE` in `speech/<name>/spec.py`.

    Attributes:
        name: by which the platform and agents choose it.
        options: model of the variables it reads.
        key: the option without which it cannot work; None: it needs no key.
        speech_to_text, text_to_speech: what it offers.
        limitations: shown to operators and on the talk page, for a service of demo quality.
    """

    name: str
    options: type[ServiceOptions] = ServiceOptions
    key: str | None = None
    speech_to_text: Adapter[SpeechToText] | None = None
    text_to_speech: Adapter[TextToSpeech] | None = None
    limitations: str | None = None

    @property
    def key_variable(self) -> str:
        """The variable of its key; empty when it needs none."""
        return self.options.model_fields[self.key].alias or self.key if self.key else ""

    def has_key(self, options: BaseModel) -> bool:
        """Tell whether `options` hold the key, or none is needed."""
        return self.key is None or getattr(options, self.key) is not None


@cache
def built_in_services() -> tuple[SpeechService, ...]:
    """Return the spec of every folder in `speech/`, in alphabetical order. The first call reads the folders."""
    folders = import_module("voice_host.speech").__path__
    names = sorted(found.name for found in pkgutil.iter_modules(folders) if found.ispkg)
    return tuple(import_module(f"voice_host.speech.{name}.spec").SERVICE for name in names)


def ranked_services(direction: Direction) -> Sequence[SpeechService]:
    """Return the services that `auto` may choose, best first."""

    def rank(service: SpeechService) -> int | None:
        adapter: Adapter[Any] | None = getattr(service, direction)
        return adapter.auto_rank if adapter else None

    ranked = {service.name: found for service in built_in_services() if (found := rank(service)) is not None}
    return sorted((each for each in built_in_services() if each.name in ranked), key=lambda each: ranked[each.name])


def preferred_key_variables() -> str:
    """Return the variables that turn on the services `auto` prefers, for messages: `A_KEY and B_KEY`."""
    best = (next((each for each in ranked_services(direction) if each.key), None) for direction in DIRECTIONS)
    return " and ".join(dict.fromkeys(each.key_variable for each in best if each is not None))


def service_limitations(names: Iterable[str]) -> list[str]:
    """Return what should be known about the services of these names, with the keys of better ones."""
    limits = [each.limitations for each in built_in_services() if each.limitations and each.name in set(names)]
    return [f"{limit} Set {preferred_key_variables()} for the cloud services." for limit in limits]
