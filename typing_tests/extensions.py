"""An extension of the platform."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, assert_type

from typing_tests.providers import MyRecogniser, MyVoice
from voice_host_sdk import Caller
from voice_host_sdk.extensions import (
    Authenticator,
    Connection,
    Denied,
    SpeechToTextFactories,
    TextToSpeechFactories,
    extensionimpl,
)
from voice_host_sdk.observer import ObservedSession, SessionObserver


class Badge:
    async def authenticate(self, connection: Connection) -> Caller | Denied | None:
        assert_type(connection.agent_id, str | None)
        badge = connection.headers.get("x-badge")
        if badge is None:
            return None
        return Caller(badge) if badge.isalnum() else Denied("not a badge")


@extensionimpl
def authenticator(settings: Mapping[str, Any]) -> Authenticator:
    return Badge()


@extensionimpl
def register_routes(app: Any, settings: Mapping[str, Any]) -> None:
    app.get("/badges")(lambda: [])


@extensionimpl
def speech_to_text_providers(settings: Mapping[str, Any]) -> SpeechToTextFactories:
    return {"mine": MyRecogniser}


@extensionimpl
def text_to_speech_providers(settings: Mapping[str, Any]) -> TextToSpeechFactories:
    return {"mine": MyVoice}


class Counting(SessionObserver):
    async def on_session_created(self, session: ObservedSession) -> None:
        assert_type(session.agent_id, str)
        await session.say("Hello.")  # type: ignore[attr-defined]

    async def on_user_turn(self, session: ObservedSession, turn: str) -> None:  # type: ignore[override]
        """It expects text, and gets a record."""


@extensionimpl
def session_observer(settings: Mapping[str, Any]) -> SessionObserver:
    return Counting()


class Wrong:
    def authenticate(self, connection: Connection) -> Caller | None:
        connection.agent_id = "other"  # type: ignore[misc]
        return None


not_async: Authenticator = Wrong()  # type: ignore[assignment]
not_factories: SpeechToTextFactories = {"mine": MyVoice}  # type: ignore[dict-item]
