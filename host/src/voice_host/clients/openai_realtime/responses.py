"""The agent's replies, as the client is told about them: responses, each with one item that has one part."""

from __future__ import annotations

import math
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any, Literal

from voice_host.clients.audio import base64_text
from voice_host.clients.openai_realtime.client_events import EventError, ItemTruncate
from voice_host.clients.openai_realtime.conversation import Conversation, Item, Kind
from voice_host.clients.openai_realtime.server_events import Event, EventMaker
from voice_host.clients.openai_realtime.session import Session, duration_ms
from voice_host.clients.protocol import Frame

MAX_RESPONSES = 64
"""How many responses can be truncated: clients truncate the last one."""

Cause = Literal["turn_detected", "client_cancelled"]


@dataclass(slots=True)
class Response:
    """A reply of the agent.

    Attributes:
        reply: the host's number of it.
        metadata: the client's, of its `response.create`.
        before: the item before its own.
        transcript: all text that was sent.
        sent_ms: how much audio was sent.
        active: `response.done` was not sent yet.
        parts_done: the part is complete.
    """

    reply: int
    id: str
    item: Item
    metadata: Any
    before: str | None = None
    transcript: str = ""
    sent_ms: float = 0.0
    active: bool = True
    parts_done: bool = False

    @property
    def text_only(self) -> bool:
        """Whether it is text without speech."""
        return self.item.kind == "output_text"


class Responses:
    """The responses of one session."""

    def __init__(self, events: EventMaker, conversation: Conversation, session: Session) -> None:
        self._events = events
        self._conversation = conversation
        self._session = session
        self._current: Response | None = None
        self._by_item: OrderedDict[str, Response] = OrderedDict()
        self._conversation_id = events.id("conv")

    @property
    def active(self) -> Response | None:
        """The response in progress."""
        return self._current if self._current is not None and self._current.active else None

    @property
    def audible(self) -> bool:
        """Whether the client plays, or may play, a response in progress."""
        return self.active is not None and self.active.sent_ms > 0

    def is_known(self, reply: int) -> bool:
        """Whether a reply has begun a response, or a later one has."""
        return self._current is not None and reply <= self._current.reply

    def begin(self, reply: int, metadata: Any = None) -> list[Event]:
        """Begin the response of a reply, unless it has begun. `metadata`: the client's, if it has asked for it."""
        if self.is_known(reply):
            return []
        unfinished = self.cancelled("turn_detected", self.active.transcript) if self.active is not None else []
        response = self._current = self._new(reply, metadata)
        item = response.item
        self._by_item[item.id] = response
        if len(self._by_item) > MAX_RESPONSES:
            self._by_item.popitem(last=False)
        response.before = self._conversation.append(item)
        return [
            *unfinished,
            self._events.make("response.created", response=self._described(response, "in_progress")),
            self._item_event("response.output_item.added", response, empty=True),
            self._events.make(
                "conversation.item.added", previous_item_id=response.before, item=item.described(empty=True)
            ),
            self._part_event("response.content_part.added", response, part=_part(response, "")),
        ]

    def _new(self, reply: int, metadata: Any) -> Response:
        kind: Kind = "output_text" if self._session.text_only else "output_audio"
        item = Item(self._events.id("item"), "assistant", kind, status="in_progress")
        return Response(reply, self._events.id("resp"), item, metadata)

    def text(self, text: str) -> list[Event]:
        """Tell the next piece of the text."""
        if (response := self.active) is None or response.parts_done or not text:
            return []
        response.transcript += text
        name = "response.output_text.delta" if response.text_only else "response.output_audio_transcript.delta"
        return [self._part_event(name, response, delta=text)]

    def whole_text(self, text: str) -> list[Event]:
        """Tell the whole text, if none was told in pieces."""
        return [] if self.active is None or self.active.transcript else self.text(text)

    def speech(self, audio: bytes) -> list[Frame]:
        """Tell the next piece of speech. Returns its event as it is sent: nothing in it has to be escaped."""
        if (response := self.active) is None or response.parts_done or response.text_only or not audio:
            return []
        response.sent_ms += duration_ms(audio, self._session.speaker)
        return [
            f'{{"type":"response.output_audio.delta","event_id":"{self._events.id("event")}",'
            f'"response_id":"{response.id}","item_id":"{response.item.id}","output_index":0,"content_index":0,'
            f'"delta":"{base64_text(audio)}"}}'
        ]

    def parts_done(self) -> list[Event]:
        """Everything of the response was sent."""
        if (response := self.active) is None or response.parts_done:
            return []
        response.parts_done = True
        text = response.transcript
        part = self._part_event("response.content_part.done", response, part=_part(response, text))
        if response.text_only:
            return [self._part_event("response.output_text.done", response, text=text), part]
        return [
            self._part_event("response.output_audio.done", response),
            self._part_event("response.output_audio_transcript.done", response, transcript=text),
            part,
        ]

    def never_begun(self, metadata: Any) -> list[Event]:
        """A response that was asked for, with the client's metadata, is cancelled before it begins."""
        response = self._new(0, metadata)
        details = {"type": "cancelled", "reason": "client_cancelled"}
        done = {**self._described(response, "cancelled", details, _usage(0, 0)), "output": []}
        return [
            self._events.make("response.created", response=self._described(response, "in_progress")),
            self._events.make("response.done", response=done),
        ]

    def completed(self, input_tokens: int, output_tokens: int) -> list[Event]:
        """The response was played to its end."""
        return self._done("completed", None, _usage(input_tokens, output_tokens))

    def cancelled(self, cause: Cause, heard: str, input_tokens: int = 0, output_tokens: int = 0) -> list[Event]:
        """The response was cut. `heard`: the part of its text that was audible.

        Its `usage` is null if the model's service had not told it by then: zeros would say that nothing was used.
        """
        details = {"type": "cancelled", "reason": cause}
        known = input_tokens > 0 or output_tokens > 0
        return self._done("cancelled", details, _usage(input_tokens, output_tokens) if known else None, heard)

    def heard(self, reply: int, heard: str) -> None:
        """Note what was heard of a response that was cut, now that it is known."""
        response = self._current
        if response is not None and response.reply == reply and not response.active:
            response.item.text = heard

    def truncate(self, event: ItemTruncate) -> Response:
        """Return the response of an item that the client truncates.

        Raises:
            EventError: it cannot be truncated there.
        """
        response = self._by_item.get(event.item_id)
        if response is None:
            raise EventError(
                "There is no response with this item.", "item_truncate_invalid_item_id", "item_id", event.event_id
            )
        if event.content_index != 0 or response.text_only:
            raise EventError("This part has no audio.", "invalid_value", "content_index", event.event_id)
        if event.audio_end_ms > math.ceil(response.sent_ms):
            message = f"Audio content of {int(response.sent_ms)} ms is already shorter than {event.audio_end_ms} ms."
            raise EventError(message, "invalid_value", "audio_end_ms", event.event_id)
        return response

    # --- events -----------------------------------------------------------------------------------------------------

    def _done(
        self,
        status: Literal["completed", "cancelled"],
        details: dict[str, str] | None,
        usage: dict[str, Any] | None,
        heard: str | None = None,
    ) -> list[Event]:
        if (response := self.active) is None:
            return []
        parts = self.parts_done()
        response.active = False
        item = response.item
        item.status = "completed" if status == "completed" else "incomplete"
        item.text = response.transcript if heard is None else heard
        done = self._described(response, status, details, usage)
        return [
            *parts,
            self._events.make("conversation.item.done", previous_item_id=response.before, item=item.described()),
            self._item_event("response.output_item.done", response),
            self._events.make("response.done", response=done),
        ]

    def _described(
        self,
        response: Response,
        status: str,
        details: dict[str, str] | None = None,
        usage: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        return {
            "object": "realtime.response",
            "id": response.id,
            "status": status,
            "status_details": details,
            "output": [response.item.described()] if usage is not None or details is not None else [],
            "conversation_id": self._conversation_id,
            "output_modalities": ["text" if response.text_only else "audio"],
            "max_output_tokens": "inf",
            "audio": {"output": self._session.output()},
            "usage": usage,
            "metadata": response.metadata,
        }

    def _part_event(self, kind: str, response: Response, **fields: Any) -> Event:
        ids = {"response_id": response.id, "item_id": response.item.id, "output_index": 0, "content_index": 0}
        return self._events.make(kind, **ids, **fields)

    def _item_event(self, kind: str, response: Response, *, empty: bool = False) -> Event:
        item = response.item.described(empty=empty)
        return self._events.make(kind, response_id=response.id, output_index=0, item=item)


def _part(response: Response, text: str) -> dict[str, Any]:
    return {"type": "text", "text": text} if response.text_only else {"type": "audio", "transcript": text}


def _usage(input_tokens: int, output_tokens: int) -> dict[str, Any]:
    """The model reads and writes text, whatever the caller hears."""
    return {
        "total_tokens": input_tokens + output_tokens,
        "input_tokens": input_tokens,
        "output_tokens": output_tokens,
        "input_token_details": {"text_tokens": input_tokens, "audio_tokens": 0, "cached_tokens": 0},
        "output_token_details": {"text_tokens": output_tokens, "audio_tokens": 0},
    }
