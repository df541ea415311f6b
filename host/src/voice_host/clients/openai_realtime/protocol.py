"""`OpenAIRealtime`, the `ClientProtocol` of clients of the OpenAI Realtime API."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from voice_host.call import events as call
from voice_host.clients.close_codes import CloseCode
from voice_host.clients.openai_realtime import client_events as client
from voice_host.clients.openai_realtime.caller_turn import CallerTurns
from voice_host.clients.openai_realtime.client_events import EventError
from voice_host.clients.openai_realtime.conversation import Conversation, Item
from voice_host.clients.openai_realtime.responses import Cause, Responses
from voice_host.clients.openai_realtime.server_events import Event, EventMaker, frames
from voice_host.clients.openai_realtime.session import Session
from voice_host.clients.protocol import (
    Admit,
    Answer,
    Audio,
    AudioFormat,
    ClientEvent,
    Commit,
    Configured,
    Discard,
    Frame,
    Handshake,
    Malformed,
    Opening,
    Played,
    Respond,
    SpeechWanted,
    Stop,
    TurnMode,
    Typed,
    unlimited,
)
from voice_host_sdk import Channel

NAME = "openai.realtime"
"""Its name in a `ProtocolChoice`."""

SUBPROTOCOL = "realtime"

CHANNEL = Channel("realtime")

MAX_PENDING = 64
"""How many typed items may wait for a `response.create`."""

MAX_PENDING_CHARACTERS = 65536
"""How much text they may have together: as much as one message. A typed turn is shorter."""

MAX_METADATA = 16
"""How many entries the `metadata` of a `response.create` may have, as in OpenAI's service."""

MAX_METADATA_NAME = 64
"""How long the name of one may be, as there."""

MAX_METADATA_TEXT = 512
"""How long its text may be, as there."""

_NOT_METADATA = {"model", "token"}


@dataclass(slots=True)
class _Request:
    """A `response.create` whose response has not begun.

    Attributes:
        event_id: the client's.
        metadata: the client's.
        spoken: it is for committed audio, perhaps with typed text before; otherwise for typed text or the greeting.
        is_next: the next reply that begins answers it.
    """

    event_id: str | None
    metadata: Any
    spoken: bool
    is_next: bool


class OpenAIRealtime:
    """One session of the OpenAI Realtime API (`ClientProtocol`).

    Args:
        options: `model`: the address of the agent; `expires_at`: when the session has to end, in seconds since 1970.
    """

    def __init__(self, options: Mapping[str, Any]) -> None:
        self._events = EventMaker()
        self._session = Session(str(options.get("model", "")), options.get("expires_at"))
        self._conversation = Conversation(self._events)
        self._turns = CallerTurns(self._events, self._conversation)
        self._responses = Responses(self._events, self._conversation, self._session)
        self._configured = False
        self._pending: list[str] = []  # typed, and not answered yet
        self._commits = 0  # committed by the client, and not answered yet
        self._asked: _Request | None = None
        self._cancelled = False  # the client has cancelled the response
        self._never_begun: _Request | None = None  # cancelled; the client has still to be told
        self._greeting = False  # the agent's greeting is to come, or in progress

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
        metadata = {name: value for name, value in handshake.query.items() if name not in _NOT_METADATA}
        return (Opening(metadata, channel=CHANNEL, reports_after_cut=True, configures=True),)

    # --- from the client ------------------------------------------------------------------------------------------

    def receive(self, frame: Frame, admit: Admit = unlimited) -> Sequence[ClientEvent]:
        """Parse an event of the client. A mistake in it is answered with an `error`."""
        event = None
        try:
            if (audio := client.appended(frame)) is not None:
                taken = self._hear(audio)
            else:
                event = client.parse(frame)
                if not isinstance(event, client.AudioAppend) and not admit():
                    return []
                taken = self._take(event)
        except EventError as error:
            if event is None and not admit():
                return []
            answer = frames([self._events.mistake(error, event.event_id if event is not None else None)])
            return [Malformed(error.message, answer) if error.malformed else Answer(answer)]
        if not self._configured:
            self._configured = True
            return [*taken, Configured()]
        return taken

    def _take(self, event: client.ClientMessage) -> list[ClientEvent]:
        match event:
            case client.AudioAppend(audio=audio):
                return self._hear(audio)
            case client.SessionUpdate():
                return self._update(event)
            case client.AudioCommit():
                return self._commit()
            case client.AudioClear():
                return [Discard(), _answer(self._turns.clear())]
            case client.ItemCreate():
                return [_answer(self._conversation.add_complete(self._typed(event)))]
            case client.ItemRetrieve(item_id=item_id):
                if (found := self._conversation.get(item_id)) is None:
                    raise EventError("There is no such item.", "item_retrieve_invalid_item_id", "item_id")
                return [_answer([self._events.make("conversation.item.retrieved", item=found.described())])]
            case client.ItemTruncate(item_id=item_id, audio_end_ms=end_ms):
                response = self._responses.truncate(event)
                name = "conversation.item.truncated"
                told = self._events.make(name, item_id=item_id, content_index=0, audio_end_ms=end_ms)
                self._cancelled = self._cancelled or response.active
                return [Played(response.reply, end_ms, stopped=True), _answer([told])]
            case client.ResponseCreate():
                return self._respond(event)
            case client.ResponseCancel(response_id=response_id):
                active = self._responses.active
                asked = self._asked is not None and not self._greeting
                if response_id not in (None, active and active.id) or not (active or asked):
                    message = "Cancellation failed: no active response found."  # LiveKit knows it by its beginning
                    raise EventError(message, "response_cancel_not_active", malformed=False)
                self._cancelled = True
                return [Stop(withdraws=response_id is None)]
            case _:
                raise EventError(f"{event.type} is not supported.", "unsupported_event", "type")

    def _hear(self, audio: bytes) -> list[ClientEvent]:
        self._turns.received(audio, self._session.microphone)
        return [Audio(audio)]

    def _update(self, event: client.SessionUpdate) -> list[ClientEvent]:
        before = (self._session.manual, self._session.text_only)
        refused = self._session.update(event.session)
        changed: list[ClientEvent] = []
        if self._session.manual != before[0]:
            changed.append(TurnMode(self._session.manual))
        if self._session.text_only != before[1]:
            changed.append(SpeechWanted(not self._session.text_only))
        updated = self._events.make("session.updated", session=self._session.effective())
        if refused is None:
            return [*changed, _answer([updated])]
        answer = frames([updated, self._events.mistake(refused, event.event_id)])
        return [*changed, Malformed(refused.message, answer)]

    def _commit(self) -> list[ClientEvent]:
        if self._turns.empty:
            message = "There is no audio to commit."
            raise EventError(message, "input_audio_buffer_commit_empty", malformed=False)
        if not self._session.manual:
            return [Commit()]  # the client is told when the turn has ended
        self._commits += 1
        return [_answer(self._turns.committed()), Commit()]

    def _typed(self, event: client.ItemCreate) -> Item:
        """Return the item that the client adds, if it is a typed message of the caller."""
        item = event.item
        if item.type != "message" or item.role != "user" or any(part.type != "input_text" for part in item.content):
            message = "Only messages of the user with input_text can be added."
            raise EventError(message, "unsupported_item", "item")
        if (before := event.previous_item_id) is not None and self._conversation.get(before) is None:
            # One after an earlier item comes last, too: the client may not know of what has been said since.
            raise EventError("Items can be added at the end only.", "unsupported_insertion", "previous_item_id")
        if item.id is not None and self._conversation.get(item.id) is not None:
            raise EventError("There is an item with this id.", "invalid_value", "item.id")
        text = "".join(part.text or "" for part in item.content)
        if not text.strip():
            raise EventError("The item has no text.", "missing_required_parameter", "item.content")
        if len(self._pending) >= MAX_PENDING or sum(map(len, self._pending)) + len(text) > MAX_PENDING_CHARACTERS:
            message = f"{len(self._pending)} items wait for an answer: send response.create."
            raise EventError(message, "too_many_items", "item")
        self._pending.append(text)
        return Item(item.id or self._events.id("item"), "user", "input_text", text)

    def _respond(self, event: client.ResponseCreate) -> list[ClientEvent]:
        answers = bool(self._pending or self._commits)
        active = self._responses.active is not None
        # The client did not ask for the greeting, and may not expect it: what it asks for comes instead.
        if self._asked is not None or (active and not (self._greeting and answers)):
            message = "The conversation already has an active response in progress."
            raise EventError(message, "conversation_already_has_active_response", malformed=False)
        metadata = _metadata(event.response or {})
        if not answers and not self._greeting:
            message = "There is nothing to answer: add an item or commit audio first."
            raise EventError(message, "nothing_to_answer", malformed=False)
        self._asked = _Request(event.event_id, metadata, spoken=self._commits > 0, is_next=not answers)
        if not answers:
            return []  # the greeting is what it asks for
        self._greeting, self._cancelled = False, active
        text, self._pending = "\n".join(self._pending), []
        self._commits = 0
        return [Respond(text) if self._asked.spoken else Typed(text)]

    # --- to the client --------------------------------------------------------------------------------------------

    def tell(self, event: call.CallEvent) -> Sequence[Frame]:
        """Return the events that report an event of the call."""
        return frames(self._told(event))

    def speech(self, reply: int, data: bytes) -> Sequence[Frame]:
        """Return a piece of speech."""
        begun = self._begin(reply)
        silent = [] if self._responses.audible else self._turns.tell_stopped()
        return [*frames([*silent, *begun]), *self._responses.speech(data)]

    def _told(self, event: call.CallEvent) -> list[Event]:
        match event:
            case call.Ready(session_id=session_id):
                self._session.id, self._greeting = f"sess_{session_id}", event.greets
                return [self._events.make("session.created", session=self._session.effective())]
            case call.CallerSpeechStarted():
                return self._turns.started(tell=not self._responses.audible)
            case call.CallerSpeechEnded():
                return self._turns.stopped()
            case call.TurnTaken(text, typed):
                self._greeting = False
                if self._asked is not None and self._asked.spoken != typed:
                    self._asked.is_next = True
                return [] if typed or self._session.manual else self._turns.taken(text)
            case call.TurnCommitted(text):
                return self._turns.transcribed(text)
            case call.Refused(code, reason):
                kind = "server_error" if code in _OURS else "invalid_request_error"
                return [self._events.error(_REFUSALS.get(code, "refused"), reason, kind=kind)]
            case call.AnswerWithdrawn():
                # What was committed waits for the next `response.create`.
                self._never_begun, self._asked, self._commits = self._asked, None, self._commits + 1
                return [] if self._responses.active is not None else self._tell_never_begun()
            case call.Problem("draining", fatal=False):
                return []  # the session goes on, but there are clients that end at any error
            case call.Problem():
                return [self._problem(event)]
            case call.CallOver(reason) if reason in _FINAL:
                return [self._events.error(*_FINAL[reason], kind="server_error")]
        return self._of_reply(event)

    def _of_reply(self, event: call.CallEvent) -> list[Event]:
        match event:
            case call.ReplyBegun(reply):
                return self._begin(reply)
            case call.ReplyText(reply, text):
                return [*self._begin(reply), *self._responses.text(text)]
            case call.ReplyComplete(reply, text):
                return [*self._begin(reply), *self._responses.whole_text(text)]
            case call.SpeechSent():
                return self._responses.parts_done()
            case call.ReplyOver(reply, how="completed"):
                self._greeting = self._cancelled = False
                done = self._responses.completed(event.input_tokens, event.output_tokens)
                return [*done, *self._turns.tell_pending()]
            case call.ReplyOver(reply, heard=heard):
                self._responses.heard(reply, heard)
            case call.ReplyCut():
                return self._cut(event)
        return []

    def _begin(self, reply: int) -> list[Event]:
        if self._asked is None or not self._asked.is_next:
            return self._responses.begin(reply)
        begun = self._responses.begin(reply, self._asked.metadata)
        if begun:
            self._asked = None
        return begun

    def _cut(self, cut: call.ReplyCut) -> list[Event]:
        # A response that the client has asked for is told to it, even if it was cut before it began.
        begun = self._begin(cut.reply) if self._asked is not None and self._asked.is_next else []
        by_client, self._cancelled, self._greeting = self._cancelled, False, False
        started = self._turns.tell_started() if self._responses.audible and not by_client else []
        cause: Cause = "client_cancelled" if by_client else "turn_detected"
        cancelled = self._responses.cancelled(cause, cut.heard, cut.input_tokens, cut.output_tokens)
        return [*begun, *started, *cancelled, *self._tell_never_begun()]

    def _tell_never_begun(self) -> list[Event]:
        """Tell of a response that was cancelled before it began, after the one that was in progress."""
        if (request := self._never_begun) is None:
            return []
        self._never_begun, self._cancelled = None, False
        return self._responses.never_begun(request.metadata)

    def _problem(self, problem: call.Problem) -> Event:
        event_id = None
        if problem.unanswered and self._asked is not None:
            event_id, self._asked = self._asked.event_id, None
        if problem.code in _MISTAKES:
            return self._events.error(_MISTAKES[problem.code], problem.message, event_id=event_id)
        return self._events.error(problem.code, problem.message, kind="server_error")


def _answer(events: Sequence[Event]) -> Answer:
    return Answer(frames(events))


_AS_IT_IS: Mapping[str, tuple[Any, ...]] = {
    "conversation": (None, "auto"),
    "output_modalities": (None, ["audio"], ["text"]),
    "instructions": (None, ""),
    "tools": (None, []),
    "tool_choice": (None, "auto"),
    "max_output_tokens": (None, "inf"),
}
"""What a `response.create` may say beside `metadata`: what is so anyway."""


def _metadata(asked: Mapping[str, Any]) -> Any:
    """Return the metadata of a `response.create`.

    Raises:
        EventError: it asks for a response that is different from others.
    """
    for name, value in asked.items():
        if name != "metadata" and value not in _AS_IT_IS.get(name, (None,)):
            message = f"A response cannot have {name[:64]} of its own: the agent decides."
            raise EventError(message, "unsupported_response_override", f"response.{name[:64]}")
    metadata = asked.get("metadata")
    if metadata is None:
        return None
    if not isinstance(metadata, dict) or len(metadata) > MAX_METADATA or not all(map(_is_entry, metadata.items())):
        names = f"{MAX_METADATA} names of at most {MAX_METADATA_NAME} characters"
        message = f"metadata must be an object with at most {names}, and texts of at most {MAX_METADATA_TEXT}."
        raise EventError(message, "invalid_value", "response.metadata")
    return metadata


def _is_entry(entry: tuple[str, Any]) -> bool:
    name, text = entry
    return len(name) <= MAX_METADATA_NAME and isinstance(text, str) and len(text) <= MAX_METADATA_TEXT


_MISTAKES: Mapping[str, str] = {"over_limit": "rate_limit_exceeded", "nothing_heard": "nothing_heard"}
"""Problems that the client has caused, and the codes of their errors."""

_FINAL: Mapping[str, tuple[str, str]] = {
    "shutdown": ("server_shutting_down", "The server is shutting down."),
    "failed": ("internal_error", "Something went wrong on our side."),
}
"""Code and message of the error at the end of a call, by the reason of its end. Other reasons have none."""

_REFUSALS: Mapping[int, str] = {
    CloseCode.NOT_AUTHORISED: "invalid_api_key",
    CloseCode.ORIGIN_NOT_ALLOWED: "origin_not_allowed",
    CloseCode.NO_SUCH_AGENT: "model_not_found",
    CloseCode.OVER_A_LIMIT: "rate_limit_exceeded",
    CloseCode.COULD_NOT_START: "session_refused",
    CloseCode.AGENT_BROKEN: "agent_unavailable",
    CloseCode.DRAINING: "server_shutting_down",
    CloseCode.COME_BACK: "agent_restarting",
    CloseCode.INTERNAL_ERROR: "internal_error",
}
"""The error code of a call that does not begin, by its close code."""

_OURS = {CloseCode.AGENT_BROKEN, CloseCode.DRAINING, CloseCode.COME_BACK, CloseCode.INTERNAL_ERROR}
