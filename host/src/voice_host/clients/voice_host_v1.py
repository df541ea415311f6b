"""The call protocol, version 1, as in `docs/reference/call-protocol.md`: JSON in text frames, PCM16 in binary ones."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from voice_host.call import events as call
from voice_host.clients.protocol import (
    Admit,
    Answer,
    Audio,
    AudioFormat,
    ClientEvent,
    Frame,
    Handshake,
    Malformed,
    Opening,
    Played,
    Reset,
    Stop,
    Typed,
    unlimited,
)

PROTOCOL_VERSION = 1
SUBPROTOCOL = "voice-host.v1"

CREDENTIALS = {"token", "resume"}
"""Query parameters that are not passed to the agent as metadata."""

MAX_REPORT = 200
"""Characters of a `playback` message that is taken as it arrives. Longer ones wait for their turn."""

_REPORT = '"playback"'

Message = dict[str, Any]


# --- from the client ----------------------------------------------------------------------------------------------


class TextMessage(BaseModel):
    """A typed turn."""

    type: Literal["text"]
    text: str = Field(min_length=1)


class CancelMessage(BaseModel):
    """Stop speaking now."""

    type: Literal["cancel"]


class ResetMessage(BaseModel):
    """Forget the conversation."""

    type: Literal["reset"]


class PlaybackMessage(BaseModel):
    """How much of a reply the client has played. `held`: it has paused there, as told by `hold`."""

    type: Literal["playback"]
    reply: int
    played_ms: float = Field(ge=0, allow_inf_nan=False)
    held: bool = False


class PingMessage(BaseModel):
    """Answer with `pong`."""

    type: Literal["ping"]


ClientMessage = TextMessage | CancelMessage | ResetMessage | PlaybackMessage | PingMessage

_parser: TypeAdapter[ClientMessage] = TypeAdapter(Annotated[ClientMessage, Field(discriminator="type")])
_KNOWN = {"text", "cancel", "reset", "playback", "ping"}


class BadMessage(Exception):
    """The client violated the call protocol. The message is safe to send to the client."""


def parse(raw: str) -> ClientMessage | None:
    """Parse a client's text frame. Returns None for an unknown type, which is ignored.

    Raises:
        BadMessage: it is not a JSON object, has no type, or a field is missing or invalid.
    """
    try:
        data = json.loads(raw)
    except ValueError:
        raise BadMessage("A text frame must hold a JSON object.") from None
    except RecursionError:
        raise BadMessage("The JSON is nested too deeply.") from None
    if not isinstance(data, dict) or not isinstance(data.get("type"), str):
        raise BadMessage('A text frame must hold a JSON object with a "type".')
    if data["type"] not in _KNOWN:
        return None
    try:
        return _parser.validate_python(data)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        field = ".".join(str(part) for part in first["loc"][1:]) or "message"
        raise BadMessage(f'In "{data["type"]}", {field}: {first["msg"]}.') from None


# --- the protocol -------------------------------------------------------------------------------------------------


class VoiceHostV1:
    """The host's own `ClientProtocol`. Clients use the agent's sample rates, which `ready` states."""

    microphone = AudioFormat()
    speaker = AudioFormat()

    def subprotocol(self, offered: Sequence[str]) -> str | None:
        """Accept `voice-host.v1`. A call token offered beside it is never echoed."""
        return chosen_subprotocol(offered)

    def connected(self, handshake: Handshake) -> Sequence[ClientEvent]:
        """Return the `Opening`, which the query contains."""
        query = handshake.query
        metadata = {name: value for name, value in query.items() if name not in CREDENTIALS}
        return (Opening(metadata, query.get("resume")),)

    def receive(self, frame: Frame, admit: Admit = unlimited) -> Sequence[ClientEvent]:
        """Parse a frame from the client."""
        if isinstance(frame, bytes):
            return (Audio(frame),)
        if not admit(report=len(frame) <= MAX_REPORT and _REPORT in frame):
            return ()
        try:
            message = parse(frame)
        except BadMessage as error:
            return (Malformed(str(error)),)
        match message:
            case TextMessage(text=text):
                return (Typed(text),)
            case CancelMessage():
                return (Stop(),)
            case ResetMessage():
                return (Reset(),)
            case PlaybackMessage(reply=reply, played_ms=played_ms, held=held):
                return (Played(reply, played_ms, held),)
            case PingMessage():
                return (Answer((json.dumps({"type": "pong"}),)),)
        return ()

    def tell(self, event: call.CallEvent) -> Sequence[Frame]:
        """Return the message that reports an event, if there is one."""
        message = message_of(event)
        return () if message is None else (json.dumps(message),)

    def speech(self, reply: int, data: bytes) -> Sequence[Frame]:
        """Return speech unchanged, in one binary frame."""
        return (data,)


def chosen_subprotocol(offered: Sequence[str]) -> str | None:
    """Return the subprotocol to accept; None: the client did not offer it."""
    return SUBPROTOCOL if SUBPROTOCOL in offered else None


def message_of(event: call.CallEvent) -> Message | None:
    """Return the message that reports an event; None: the client is not told."""
    match event:
        case call.ReplyText(reply, text):
            return {"type": "reply_delta", "reply": reply, "text": text}
        case call.Heard(text, final):
            return {"type": "transcript", "text": text, "final": final}
        case call.Ready():
            return _ready(event)
        case call.TurnTaken(text):
            return {"type": "turn", "text": text}
        case call.ReplyBegun():
            return {"type": "thinking"}
        case call.ToolStarted(call_id, name, arguments):
            return {"type": "tool_call", "id": call_id, "name": name, "arguments": dict(arguments)}
        case call.ToolFinished(call_id, name, ok=ok, late=False):
            return {"type": "tool_result", "id": call_id, "name": name, "ok": ok}
        case call.ReplyComplete(reply, text, greeting=True):
            return {"type": "greeting", "reply": reply, "text": text}
        case call.ReplyComplete(reply, text, steps):
            return {"type": "chat", "reply": reply, "text": text, "steps": list(steps)}
        case call.SpeechSent(reply):
            return {"type": "tts_done", "reply": reply}
        case call.ReplyHeld(reply):
            return {"type": "hold", "reply": reply}
        case call.ReplyReleased(reply):
            return {"type": "unhold", "reply": reply}
        case call.ReplyCut(reply, heard):
            return {"type": "cancelled", "reply": reply, "heard": heard}
        case call.ReplyOver(reply, stages_ms=stages_ms):
            return {"type": "metrics", "reply": reply, "stages_ms": dict(stages_ms)}
        case call.ConversationReset():
            return {"type": "reset"}
        case call.Problem(code, message, fatal):
            return {"type": "error", "code": code, "message": message, "fatal": fatal}
        case call.CallOver(reason) if reason in _FINAL_ERRORS:
            return message_of(_FINAL_ERRORS[reason])
    return None


_FINAL_ERRORS: Mapping[str, call.Problem] = {
    "shutdown": call.Problem("draining", "The server is shutting down.", fatal=True),
    "failed": call.Problem("internal", "Something went wrong on our side.", fatal=True),
}
"""The error sent at the end of a call, by the reason of its end. Other reasons have none."""


def _ready(event: call.Ready) -> Message:
    return {
        "type": "ready",
        "sample_rate": event.microphone_hz,
        "tts_sample_rate": event.speech_hz,
        "session_id": event.session_id,
        "agent": event.agent_id,
        "protocol": PROTOCOL_VERSION,
        "resume_token": event.resume_token,
        "resumed": event.resumed,
        "agent_version": event.agent_version,
    }
