"""What the client is told: events with their ids, and errors in their shape."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable
from typing import Any

from voice_host.clients.openai_realtime.client_events import EventError
from voice_host.clients.protocol import Frame

Event = dict[str, Any]

SERVER_EVENTS = frozenset(
    {
        "error",
        "session.created",
        "session.updated",
        "conversation.item.added",
        "conversation.item.done",
        "conversation.item.retrieved",
        "conversation.item.truncated",
        "conversation.item.input_audio_transcription.delta",
        "conversation.item.input_audio_transcription.completed",
        "input_audio_buffer.committed",
        "input_audio_buffer.cleared",
        "input_audio_buffer.speech_started",
        "input_audio_buffer.speech_stopped",
        "response.created",
        "response.done",
        "response.output_item.added",
        "response.output_item.done",
        "response.content_part.added",
        "response.content_part.done",
        "response.output_text.delta",
        "response.output_text.done",
        "response.output_audio.delta",
        "response.output_audio.done",
        "response.output_audio_transcript.delta",
        "response.output_audio_transcript.done",
    }
)
"""The types of all events that are sent."""


class EventMaker:
    """Makes the events of one session, with ids that no other session has."""

    def __init__(self) -> None:
        self._prefix = secrets.token_hex(6)
        self._made = 0

    def id(self, kind: str) -> str:
        """Return a new id, such as `item_...`."""
        self._made += 1
        return f"{kind}_{self._prefix}{self._made:06x}"

    def make(self, kind: str, **fields: Any) -> Event:
        """Return an event."""
        return {"type": kind, "event_id": self.id("event"), **fields}

    def error(
        self,
        code: str,
        message: str,
        param: str | None = None,
        event_id: str | None = None,
        *,
        kind: str = "invalid_request_error",
    ) -> Event:
        """Return an `error`. `event_id`: the client's event that it is about."""
        error = {"type": kind, "code": code, "message": message, "param": param, "event_id": event_id}
        return self.make("error", error=error)

    def mistake(self, error: EventError, event_id: str | None = None) -> Event:
        """Return the `error` that reports a mistake of the client."""
        return self.error(error.code, error.message, error.param, error.event_id or event_id)


_encode = json.JSONEncoder(separators=(",", ":"), check_circular=False).encode


def frames(events: Iterable[Event]) -> list[Frame]:
    """Return events as they are sent."""
    return [_encode(event) for event in events]
