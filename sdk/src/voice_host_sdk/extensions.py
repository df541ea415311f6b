"""The hooks of platform extensions. Unlike an agent's hooks, each is called on every installed extension.

Hooks are synchronous: they only return objects. Anything asynchronous is a method of the returned object.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Protocol, runtime_checkable

import pluggy

from voice_host_sdk.observer import SessionObserver
from voice_host_sdk.providers import SpeechToText, TextToSpeech
from voice_host_sdk.session import Caller

EXTENSION_ENTRY_POINT_GROUP = "voice_host.extensions"
"""Entry points of this group name a module, or an object, with hook implementations; the name is the extension's."""

EXTENSION_NAME_PATTERN = r"[a-z0-9][a-z0-9-]{0,62}"

EXTENSIONS_PROJECT_NAME = "voice_host_extensions"
"""The pluggy project name that the hook specifications of extensions and their implementations share."""

extensionspec = pluggy.HookspecMarker(EXTENSIONS_PROJECT_NAME)
extensionimpl = pluggy.HookimplMarker(EXTENSIONS_PROJECT_NAME)


def _nothing() -> Mapping[str, str]:
    return MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Connection:
    """A call or an HTTP request to be authenticated. All of it comes from the client and is untrusted.

    Attributes:
        agent_id: the agent that is called; None if the request is not about an agent.
        path: the request's path, e.g. `/agents/front-desk/session`.
        query: the query parameters; of a repeated one, the last value.
        headers: with names in lower case.
        client_host: the address of the client; behind a proxy, the proxy's.
        subprotocols: offered by a WebSocket client.
    """

    agent_id: str | None
    path: str
    query: Mapping[str, str] = field(default_factory=_nothing, repr=False)  # tokens may be in all of these
    headers: Mapping[str, str] = field(default_factory=_nothing, repr=False)
    client_host: str | None = None
    subprotocols: tuple[str, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class Denied:
    """Access denied. `reason` is logged; the client only learns that it has no access."""

    reason: str


@runtime_checkable
class Authenticator(Protocol):
    """Identifies callers. All installed authenticators are tried, in order of their names, until one decides."""

    async def authenticate(self, connection: Connection) -> Caller | Denied | None:
        """Return the caller, a denial, or None to leave it to the next authenticator. If all do so, access is denied.

        This runs on the event loop that all calls share, so it must not block. An exception counts as a denial.
        """


SpeechToTextFactories = Mapping[str, Callable[[], SpeechToText]]
TextToSpeechFactories = Mapping[str, Callable[[], TextToSpeech]]


@extensionspec
def authenticator(settings: Mapping[str, Any]) -> Authenticator:  # type: ignore[empty-body]
    """Return an object that authenticates callers.

    Args:
        settings: the table `[extension.<name>]` of the host's configuration, secrets resolved. Read only.
    """


@extensionspec
def register_routes(app: Any, settings: Mapping[str, Any]) -> None:
    """Add routes to the host's FastAPI application, once, before it serves. The host's own routes cannot be replaced.

    Args:
        app: the `fastapi.FastAPI` application, typed `Any` because the SDK does not depend on FastAPI.
        settings: as above.
    """


@extensionspec
def speech_to_text_providers(settings: Mapping[str, Any]) -> SpeechToTextFactories:  # type: ignore[empty-body]
    """Return factories of speech-to-text services by name. Each is called once, on first use by an agent."""


@extensionspec
def text_to_speech_providers(settings: Mapping[str, Any]) -> TextToSpeechFactories:  # type: ignore[empty-body]
    """Return factories of text-to-speech services by name. Each is called once, on first use by an agent."""


@extensionspec
def session_observer(settings: Mapping[str, Any]) -> SessionObserver:  # type: ignore[empty-body]
    """Return an observer of the sessions of all agents."""
