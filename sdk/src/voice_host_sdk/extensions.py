"""What the platform's own extensions implement. Unlike an agent's hooks these collect: every extension is asked.

Hooks are synchronous: they only return objects. What has to be awaited is a method of the returned object.
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
    """Somebody at the door: a call, or an HTTP request. Everything in it is the client's word, and untrusted.

    Attributes:
        agent_id: the agent that is called; None where the request is not about one.
        path: of the request, e.g. `/agents/front-desk/session`.
        query: the parameters of the query; of one that is repeated, the last.
        headers: names in lower case.
        client_host: the address it comes from; behind a proxy, the proxy's.
        subprotocols: those that a WebSocket client offers.
    """

    agent_id: str | None
    path: str
    query: Mapping[str, str] = field(default_factory=_nothing, repr=False)  # tokens may be in all of these
    headers: Mapping[str, str] = field(default_factory=_nothing, repr=False)
    client_host: str | None = None
    subprotocols: tuple[str, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class Denied:
    """An authenticator's no. `reason` is for the log; the client is told only that it may not."""

    reason: str


@runtime_checkable
class Authenticator(Protocol):
    """Says who is at the door. All that are installed are asked, in the order of their names, until one answers."""

    async def authenticate(self, connection: Connection) -> Caller | Denied | None:
        """Return the caller, a denial, or None to leave it to the next. Where all leave it, the answer is no.

        It runs on the event loop that all calls share: it must not block. Raising counts as a denial.
        """


SpeechToTextFactories = Mapping[str, Callable[[], SpeechToText]]
TextToSpeechFactories = Mapping[str, Callable[[], TextToSpeech]]


@extensionspec
def authenticator(settings: Mapping[str, Any]) -> Authenticator:  # type: ignore[empty-body]
    """Return an object that decides who may call.

    Args:
        settings: the table `[extension.<name>]` of the host's configuration, secrets resolved. Read only.
    """


@extensionspec
def register_routes(app: Any, settings: Mapping[str, Any]) -> None:
    """Add routes to the host's FastAPI application, once, before it serves. The host's own cannot be replaced.

    Args:
        app: the `fastapi.FastAPI` application. (The SDK does not depend on it.)
        settings: as above.
    """


@extensionspec
def speech_to_text_providers(settings: Mapping[str, Any]) -> SpeechToTextFactories:  # type: ignore[empty-body]
    """Return speech-to-text services by name. A factory is called, once, when an agent first takes that service."""


@extensionspec
def text_to_speech_providers(settings: Mapping[str, Any]) -> TextToSpeechFactories:  # type: ignore[empty-body]
    """Return text-to-speech services by name. A factory is called, once, when an agent first takes that service."""


@extensionspec
def session_observer(settings: Mapping[str, Any]) -> SessionObserver:  # type: ignore[empty-body]
    """Return an object that is told what happens in the calls of all agents."""
