"""A strict reader of the events of the OpenAI Realtime protocol: it refuses what is not documented or out of order."""

from __future__ import annotations

import base64
from typing import Any, get_args

from openai import BaseModel
from openai.types.realtime import realtime_server_event
from openai.types.realtime.realtime_session_create_response import RealtimeSessionCreateResponse


def _by_type() -> dict[str, type[BaseModel]]:
    models = {}
    for model in vars(realtime_server_event).values():
        if not (isinstance(model, type) and issubclass(model, BaseModel)) or "type" not in model.model_fields:
            continue
        for kind in get_args(model.model_fields["type"].annotation):
            if (
                isinstance(kind, str)
                and ("event_id" in model.model_fields)
                and model.model_fields["event_id"].is_required()
            ):
                models[kind] = model
    return models


DOCUMENTED = _by_type()
"""The models of the server events, by their types."""


def unknown_fields(model: BaseModel, where: str = "") -> list[str]:
    """Return the fields that are not documented."""
    found = [f"{where}.{name}" for name in model.model_extra or {}]
    for name in model.model_fields_set:
        value = getattr(model, name, None)
        for each in value if isinstance(value, list) else [value]:
            if isinstance(each, BaseModel):
                found += unknown_fields(each, f"{where}.{name}")
    return found


class Reader:
    """Checks the events of one session, in the order in which they come.

    Attributes:
        events: all that came.
        items: the items of the conversation, as told last.
        active: the response in progress.
        pcm_ms: how much audio each item has, at 24 kHz.
    """

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self.items: dict[str, dict[str, Any]] = {}
        self.active: str | None = None
        self.pcm_ms: dict[str, float] = {}
        self._ids: set[str] = set()
        self._order: list[str] = []
        self._parts: set[str] = set()
        self._outputs: list[str] = []
        self._spoken: dict[str, str] = {}
        self._speaks = False

    def take(self, event: dict[str, Any]) -> None:
        """Check the next event."""
        kind = event["type"]
        model = DOCUMENTED[kind].model_validate(event)
        if kind in ("session.created", "session.updated"):
            assert unknown_fields(RealtimeSessionCreateResponse.model_validate(event["session"])) == []
        else:
            assert unknown_fields(model, kind) == []
        assert event["event_id"] not in self._ids
        self._ids.add(event["event_id"])
        assert self.events or kind in ("session.created", "error")
        self.events.append(event)
        if (check := getattr(self, "_" + kind.replace(".", "_"), None)) is not None:
            check(event)
        elif kind.startswith("response."):
            self._in_response(event)

    @property
    def kinds(self) -> list[str]:
        """The types of all events, with repeated deltas once."""
        kinds: list[str] = []
        for event in self.events:
            if not kinds or kinds[-1] != event["type"]:
                kinds.append(event["type"])
        return kinds

    def of(self, kind: str) -> list[dict[str, Any]]:
        """Return all events of a type."""
        return [event for event in self.events if event["type"] == kind]

    # --- the caller -------------------------------------------------------------------------------------------------

    def _input_audio_buffer_speech_started(self, event: dict[str, Any]) -> None:
        assert not self._speaks
        self._speaks = True

    def _input_audio_buffer_speech_stopped(self, event: dict[str, Any]) -> None:
        assert self._speaks
        self._speaks = False

    def _input_audio_buffer_committed(self, event: dict[str, Any]) -> None:
        assert not self._speaks
        assert event["previous_item_id"] == (self._order[-1] if self._order else None)

    def _conversation_item_added(self, event: dict[str, Any]) -> None:
        item = event["item"]
        assert event["previous_item_id"] == (self._order[-1] if self._order else None)
        assert item["id"] not in self._order
        self._order.append(item["id"])
        self.items[item["id"]] = item

    def _conversation_item_done(self, event: dict[str, Any]) -> None:
        item = event["item"]
        assert item["id"] in self._order
        assert item["status"] in ("completed", "incomplete")
        for part in item["content"]:
            assert "transcript" in part or "text" in part
        self.items[item["id"]] = item

    def _conversation_item_retrieved(self, event: dict[str, Any]) -> None:
        assert event["item"]["id"] in self._order

    def _conversation_item_input_audio_transcription_completed(self, event: dict[str, Any]) -> None:
        assert self.items[event["item_id"]]["role"] == "user"

    # --- the agent --------------------------------------------------------------------------------------------------

    def _response_created(self, event: dict[str, Any]) -> None:
        assert self.active is None
        assert event["response"]["status"] == "in_progress"
        assert event["response"]["output"] == []
        self.active, self._outputs = event["response"]["id"], []

    def _response_content_part_added(self, event: dict[str, Any]) -> None:
        self._in_response(event)
        assert event["item_id"] in self.items
        self._outputs.append(event["item_id"])
        self._parts.add(event["item_id"])
        self._spoken[event["item_id"]] = ""

    def _response_output_audio_delta(self, event: dict[str, Any]) -> None:
        self._in_part(event)
        audio = base64.b64decode(event["delta"], validate=True)
        assert audio
        self.pcm_ms[event["item_id"]] = self.pcm_ms.get(event["item_id"], 0.0) + len(audio) / 48

    def _response_output_audio_transcript_delta(self, event: dict[str, Any]) -> None:
        self._in_part(event)
        self._spoken[event["item_id"]] += event["delta"]

    _response_output_text_delta = _response_output_audio_transcript_delta

    def _response_output_audio_transcript_done(self, event: dict[str, Any]) -> None:
        self._in_part(event)
        assert event["transcript"] == self._spoken[event["item_id"]]

    def _response_content_part_done(self, event: dict[str, Any]) -> None:
        self._in_part(event)
        self._parts.discard(event["item_id"])

    def _response_done(self, event: dict[str, Any]) -> None:
        response = event["response"]
        assert response["id"] == self.active
        assert not self._parts
        assert response["status"] in ("completed", "cancelled")
        assert (response["status"] == "completed") == (response["status_details"] is None)
        assert [item["id"] for item in response["output"]] == self._outputs
        assert self._outputs or response["status"] == "cancelled"  # it was cancelled before it began
        for item in response["output"]:
            assert item == self.items[item["id"]]  # `conversation.item.done` came before
        self.active = None

    def _in_part(self, event: dict[str, Any]) -> None:
        self._in_response(event)
        assert event["item_id"] in self._parts

    def _in_response(self, event: dict[str, Any]) -> None:
        assert event["response_id"] == self.active
