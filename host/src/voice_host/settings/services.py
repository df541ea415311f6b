"""The specs of the built-in speech services, which the settings need.

The settings need a service's variables, and `auto` its rank, before any adapter is imported. So `speech/<name>/spec.py`
contains plain data, and functions that import the adapter when called. Specs are found by listing the folders.
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
"""Any name is valid here, since extensions may add services."""

Direction = Literal["speech_to_text", "text_to_speech"]
DIRECTIONS: tuple[Direction, ...] = ("speech_to_text", "text_to_speech")

_Service = TypeVar("_Service", SpeechToText, TextToSpeech)


class ServiceOptions(BaseModel):
    """The options of a service, read from environment variables, never from the file: keys and addresses.

    The alias of each field is its variable. Keys are `SecretStr | None`; a field with an address, which may contain a
    password, has `repr=False`. Services may share a variable, with a field of the same name in each.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentAddress:
    """A field of `AgentConfig` with an address for the service, to which the service's key is sent.

    Attributes:
        field: the path of the field, e.g. `tts_config.wss_url`.
        own_hosts: the service's own hosts, which are always allowed.
        overridden_by: the option with which the platform overrides the agent's address.
    """

    field: str
    own_hosts: tuple[str, ...]
    overridden_by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Adapter(Generic[_Service]):
    """One direction of a service: speech-to-text or text-to-speech.

    Attributes:
        make: creates the adapter from the service's options. Called at most once per process.
        auto_rank: `auto` chooses the service with the lowest rank whose key is set; None: never.
        agent_address: None: agents cannot set an address for it.
    """

    make: Callable[[Any, ResilienceSettings], _Service]
    auto_rank: int | None = None
    agent_address: AgentAddress | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechProcessSpec:
    """The process of the host in which a service's models are loaded once, for the workers of all agents.

    Attributes:
        module: what `python -m` runs in it; `supervisor/speech_process.py` says how.
        imports: the modules that a worker imports to use it.
        problem: returns why the service cannot run on this machine, and what to do about it; None: it can.
    """

    module: str
    imports: tuple[str, ...]
    problem: Callable[[], str | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechService:
    """The spec of a built-in speech service: `SERVICE` in `speech/<name>/spec.py`.

    Attributes:
        name: used by the platform and agents to choose it.
        options: the model of its variables.
        key: the option with the key it requires; None: it needs no key.
        speech_to_text, text_to_speech: the directions it offers.
        process: None: it loads no models. One service at most has a process.
        limitations: shown to operators and on the talk page, for a service of demo quality.
    """

    name: str
    options: type[ServiceOptions] = ServiceOptions
    key: str | None = None
    speech_to_text: Adapter[SpeechToText] | None = None
    text_to_speech: Adapter[TextToSpeech] | None = None
    process: SpeechProcessSpec | None = None
    limitations: str | None = None

    @property
    def key_variable(self) -> str:
        """The variable of its key; empty if it needs none."""
        return self.options.model_fields[self.key].alias or self.key if self.key else ""

    def has_key(self, options: BaseModel) -> bool:
        """Whether `options` contain the key, or none is needed."""
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
    """Return the key variables of the services that `auto` prefers, for messages: `A_KEY and B_KEY`."""
    best = (next((each for each in ranked_services(direction) if each.key), None) for direction in DIRECTIONS)
    return " and ".join(dict.fromkeys(each.key_variable for each in best if each is not None))


def service_limitations(names: Iterable[str]) -> list[str]:
    """Return the limitations of the named services, with the key variables of better ones."""
    limits = [each.limitations for each in built_in_services() if each.limitations and each.name in set(names)]
    return [f"{limit} Set {preferred_key_variables()} for the cloud services." for limit in limits]
