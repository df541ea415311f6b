"""`OpenAIRealtime`, the `ClientProtocol` of clients of the OpenAI Realtime API."""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Mapping, Sequence
from typing import Any

from voice_host.call import events as call
from voice_host.clients.close_codes import CloseCode
from voice_host.clients.openai_realtime import client_events as client
from voice_host.clients.openai_realtime.client_events import EventError
from voice_host.clients.openai_realtime.items import Conversation, ConversationItem, Message, Response
from voice_host.clients.openai_realtime.session import Session
from voice_host.clients.protocol import (
    Answer,
    Audio,
    AudioFormat,
    ClientEvent,
    Frame,
    Handshake,
    Malformed,
    Opening,
    Stop,
    Typed,
)

NAME = "openai.realtime"
"""Its name in a `ProtocolChoice`."""

SUBPROTOCOL = "realtime"


class OpenAIRealtime:
    """One session of the OpenAI Realtime API (`ClientProtocol`).

    Args:
        options: `model`: the address of the agent; `expires_at`: when the call has to end, in seconds since 1970.
    """

    def __init__(self, options: Mapping[str, Any]) -> None:
        self._session = Session(str(options.get("model", "")))
        self._expires_at: int | None = options.get("expires_at")
        self._prefix = secrets.token_hex(6)
        self._made = 0
        self._conversation = Conversation()
        self._pending: list[str] = []
        self._response: Response | None = None
        self._heard_bytes = 0
        self._turn_item: str | None = None
        self._onset_ms = 0

    @property
    def microphone(self) -> AudioFormat:
        return self._session.microphone

    @property
    def speaker(self) -> AudioFormat:
        return self._session.speaker

    def subprotocol(self, offered: Sequence[str]) -> str | None:
        """Accept `realtime`. The key that browsers offer beside it is never echoed."""
        return SUBPROTOCOL if SUBPROTOCOL in offered else None

    def connected(self, handshake: Handshake) -> Sequence[ClientEvent]:
        """Return the `Opening`: the address says which agent is called."""
        known = {name: value for name, value in handshake.query.items() if name not in ("model", "token")}
        return (Opening(known),)

    # --- from the client ------------------------------------------------------------------------------------------

    def receive(self, frame: Frame) -> Sequence[ClientEvent]:
        """Parse an event of the client."""
        try:
            return self._take(client.parse(frame))
        except EventError as error:
            return (self._mistake(error),)

    def _mistake(self, error: EventError) -> ClientEvent:
        told = self._error("invalid_request_error", error.code, error.message, error.param, error.event_id)
        return Malformed(error.message, self._frames(told)) if error.malformed else Answer(self._frames(told))

    def _take(self, event: client.ClientMessage) -> Sequence[ClientEvent]:
        match event:
            case client.AudioAppend(audio=audio):
                self._heard_bytes += len(audio)
                return (Audio(audio),)
            case client.SessionUpdate(session=asked):
                self._session.update(asked, formats_fixed=False)
                return (Answer(self._frames(self._event("session.updated", session=self._session.effective()))),)
            case client.ItemCreate(item=item):
                text = "".join(part.text or "" for part in item.content)
                self._pending.append(text)
                made = ConversationItem(item.id or self._id("item"), "user", "input_text", text)
                return (Answer(self._frames(*self._added(made))),)
            case client.ResponseCreate():
                text, self._pending = "\n".join(self._pending), []
                return (Typed(text),)
            case client.ResponseCancel():
                return (Stop(),)
            case client.ItemRetrieve(item_id=item_id):
                found = self._conversation.get(item_id)
                if found is None:
                    raise EventError("There is no such item.", "item_not_found", "item_id", event.event_id)
                retrieved = self._event("conversation.item.retrieved", item=found.described())
                return (Answer(self._frames(retrieved)),)
        return ()

    # --- to the client --------------------------------------------------------------------------------------------

    def tell(self, event: call.CallEvent) -> Sequence[Frame]:
        """Return the events that report an event of the call."""
        return self._frames(*self._told(event))

    def speech(self, reply: int, data: bytes) -> Sequence[Frame]:
        """Return a piece of speech."""
        opening = self._respond(reply)
        response = self._response
        if response is None or response.text_only:
            return self._frames(*opening)
        response.sent_bytes += len(data)
        delta = self._part_event("response.output_audio.delta", response, delta=base64.b64encode(data).decode())
        return self._frames(*opening, delta)

    def _told(self, event: call.CallEvent) -> list[Message]:
        match event:
            case call.Ready(session_id=session_id):
                self._session.id = f"sess_{session_id}"
                return [self._event("session.created", session=self._session.effective(self._expires_at))]
            case call.CallerSpeechStarted():
                return self._speech_started()
            case call.CallerSpeechEnded():
                return self._speech_stopped()
            case call.TurnTaken(text, typed):
                return [] if typed else self._turn_taken(text)
            case call.ReplyBegun(reply):
                return self._respond(reply)
            case call.ReplyText(reply, text):
                return [*self._respond(reply), *self._text(text)]
            case call.ReplyComplete(reply, text):
                opening = self._respond(reply)
                response = self._response
                return [*opening, *([] if response is None or response.transcript else self._text(text))]
            case call.SpeechSent():
                return self._parts_done()
            case call.ReplyCut():
                return self._response_done("cancelled")
            case call.ReplyOver(how="completed"):
                return self._response_done("completed")
            case call.Refused(code, reason):
                kind = "server_error" if code in _OURS else "invalid_request_error"
                return [self._error(kind, _REFUSALS.get(code, "refused"), reason)]
            case call.Problem(code, message):
                return [self._error("server_error", code, message)]
        return []

    # --- the caller's turn ----------------------------------------------------------------------------------------

    @property
    def _buffer_ms(self) -> int:
        """How much audio the client has sent."""
        per_ms = self.microphone.sample_rate or 0
        return self._heard_bytes * 1000 // (per_ms * (2 if self.microphone.encoding == "pcm16" else 1))

    def _speech_started(self) -> list[Message]:
        if self._turn_item is None:
            self._turn_item, self._onset_ms = self._id("item"), self._buffer_ms
        return [
            self._event("input_audio_buffer.speech_started", audio_start_ms=self._buffer_ms, item_id=self._turn_item)
        ]

    def _speech_stopped(self) -> list[Message]:
        if self._turn_item is None:
            return []
        return [self._event("input_audio_buffer.speech_stopped", audio_end_ms=self._buffer_ms, item_id=self._turn_item)]

    def _turn_taken(self, text: str) -> list[Message]:
        before = [] if self._turn_item is not None else [*self._speech_started(), *self._speech_stopped()]
        item_id, self._turn_item = self._turn_item or self._id("item"), None
        committed = self._event(
            "input_audio_buffer.committed", item_id=item_id, previous_item_id=self._conversation.last_id
        )
        item = ConversationItem(item_id, "user", "input_audio")
        events = [*before, committed, *self._added(item)]
        item.text = text
        name = "conversation.item.input_audio_transcription"
        usage = {"type": "duration", "seconds": (self._buffer_ms - self._onset_ms) / 1000}
        return [
            *events,
            self._event(f"{name}.delta", item_id=item_id, content_index=0, delta=text),
            self._event(f"{name}.completed", item_id=item_id, content_index=0, transcript=text, usage=usage),
        ]

    def _added(self, item: ConversationItem) -> list[Message]:
        before = self._conversation.add(item)
        return [
            self._event(f"conversation.item.{what}", previous_item_id=before, item=item.described())
            for what in ("added", "done")
        ]

    # --- responses ------------------------------------------------------------------------------------------------

    def _respond(self, reply: int) -> list[Message]:
        """Begin a response, unless it has begun."""
        if self._response is not None and self._response.reply == reply:
            return []
        kind = "output_text" if self._session.text_only else "output_audio"
        item = ConversationItem(self._id("item"), "assistant", kind, status="in_progress")
        response = self._response = Response(reply, self._id("resp"), item)
        response.before = self._conversation.add(item)
        part = {"type": "text", "text": ""} if response.text_only else {"type": "audio", "transcript": ""}
        return [
            self._event("response.created", response=self._described(response, "in_progress")),
            self._item_event("response.output_item.added", response, empty=True),
            self._event("conversation.item.added", previous_item_id=response.before, item=item.described(empty=True)),
            self._part_event("response.content_part.added", response, part=part),
        ]

    def _text(self, text: str) -> list[Message]:
        if (response := self._response) is None or not response.active:
            return []
        response.transcript += text
        name = "response.output_text.delta" if response.text_only else "response.output_audio_transcript.delta"
        return [self._part_event(name, response, delta=text)]

    def _parts_done(self) -> list[Message]:
        response = self._response
        if response is None or not response.active or response.parts_done:
            return []
        response.parts_done = True
        text = response.transcript
        if response.text_only:
            return [
                self._part_event("response.output_text.done", response, text=text),
                self._part_event("response.content_part.done", response, part={"type": "text", "text": text}),
            ]
        return [
            self._part_event("response.output_audio.done", response),
            self._part_event("response.output_audio_transcript.done", response, transcript=text),
            self._part_event("response.content_part.done", response, part={"type": "audio", "transcript": text}),
        ]

    def _response_done(self, status: str) -> list[Message]:
        response = self._response
        if response is None or not response.active:
            return []
        parts = self._parts_done()
        response.active = False
        response.item.status = "completed" if status == "completed" else "incomplete"
        response.item.text = response.transcript
        item = response.item.described()
        return [
            *parts,
            self._event("conversation.item.done", previous_item_id=response.before, item=item),
            self._item_event("response.output_item.done", response),
            self._event("response.done", response=self._described(response, status)),
        ]

    def _described(self, response: Response, status: str) -> Message:
        details = {"type": "cancelled", "reason": "turn_detected"} if status == "cancelled" else None
        return {
            "object": "realtime.response",
            "id": response.id,
            "status": status,
            "status_details": details,
            "output": [] if status == "in_progress" else [response.item.described()],
            "conversation_id": f"conv_{self._prefix}",
            "output_modalities": ["text" if response.text_only else "audio"],
            "max_output_tokens": "inf",
            "audio": {"output": self._session.effective()["audio"]["output"]},
            "usage": None if status == "in_progress" else _usage(),
            "metadata": response.metadata,
        }

    # --- events ---------------------------------------------------------------------------------------------------

    def _part_event(self, kind: str, response: Response, **fields: Any) -> Message:
        ids = {"response_id": response.id, "item_id": response.item.id, "output_index": 0, "content_index": 0}
        return self._event(kind, **ids, **fields)

    def _item_event(self, kind: str, response: Response, *, empty: bool = False) -> Message:
        return self._event(kind, response_id=response.id, output_index=0, item=response.item.described(empty=empty))

    def _event(self, kind: str, **fields: Any) -> Message:
        return {"type": kind, "event_id": self._id("event"), **fields}

    def _error(
        self, kind: str, code: str, message: str, param: str | None = None, event_id: str | None = None
    ) -> Message:
        error = {"type": kind, "code": code, "message": message, "param": param, "event_id": event_id}
        return self._event("error", error=error)

    def _frames(self, *events: Message) -> list[Frame]:
        return [json.dumps(event) for event in events]

    def _id(self, kind: str) -> str:
        self._made += 1
        return f"{kind}_{self._prefix}{self._made:06x}"


_REFUSALS: Mapping[int, str] = {
    CloseCode.NOT_AUTHORISED: "invalid_api_key",
    CloseCode.ORIGIN_NOT_ALLOWED: "origin_not_allowed",
    CloseCode.NO_SUCH_AGENT: "model_not_found",
    CloseCode.OVER_A_LIMIT: "rate_limit_exceeded",
    CloseCode.COULD_NOT_START: "invalid_request",
    CloseCode.AGENT_BROKEN: "agent_unavailable",
    CloseCode.DRAINING: "server_shutting_down",
    CloseCode.COME_BACK: "agent_restarting",
}
"""The error code of a call that does not begin, by its close code."""

_OURS = {CloseCode.AGENT_BROKEN, CloseCode.DRAINING, CloseCode.COME_BACK, CloseCode.INTERNAL_ERROR}


def _usage() -> Message:
    nothing = {"text_tokens": 0, "audio_tokens": 0, "cached_tokens": 0}
    return {
        "total_tokens": 0,
        "input_tokens": 0,
        "output_tokens": 0,
        "input_token_details": nothing,
        "output_token_details": {"text_tokens": 0, "audio_tokens": 0},
    }
