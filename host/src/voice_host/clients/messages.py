"""The call protocol, version 1: what goes over the WebSocket as JSON. Audio is binary and not here."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, Field, TypeAdapter, ValidationError

PROTOCOL_VERSION = 1
SUBPROTOCOL = "voice-host.v1"

Message = dict[str, Any]


def chosen_subprotocol(offered: Iterable[str]) -> str | None:
    """Return the subprotocol to echo; a token that was offered beside it never is."""
    return SUBPROTOCOL if SUBPROTOCOL in offered else None


class BadMessage(Exception):
    """A client sent something that is not the call protocol. The words are fit for the client."""


def _encodable(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("must be valid Unicode") from None
    return text


class TypedText(BaseModel):
    type: Literal["text"]
    text: Annotated[str, AfterValidator(_encodable)] = Field(min_length=1)


class Cancel(BaseModel):
    type: Literal["cancel"]


class Reset(BaseModel):
    type: Literal["reset"]


class Playback(BaseModel):
    type: Literal["playback"]
    reply: int
    played_ms: float = Field(ge=0)


class Ping(BaseModel):
    type: Literal["ping"]


ClientMessage = TypedText | Cancel | Reset | Playback | Ping

_parser: TypeAdapter[ClientMessage] = TypeAdapter(Annotated[ClientMessage, Field(discriminator="type")])
_KNOWN = {"text", "cancel", "reset", "playback", "ping"}


def parse(raw: str) -> ClientMessage | None:
    """Read a client's text frame. None: a type this version does not know, to be ignored.

    Raises:
        BadMessage: no JSON object, no type, or a field that is missing or out of range.
    """
    try:
        data = json.loads(raw)
    except ValueError:
        raise BadMessage("A text frame must hold a JSON object.") from None
    except RecursionError:
        raise BadMessage("That JSON is nested too deeply.") from None
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


def ready(
    *, sample_rate: int, tts_sample_rate: int, session_id: str, agent: str, resume_token: str | None, resumed: bool
) -> Message:
    return {
        "type": "ready",
        "sample_rate": sample_rate,
        "tts_sample_rate": tts_sample_rate,
        "session_id": session_id,
        "agent": agent,
        "protocol": PROTOCOL_VERSION,
        "resume_token": resume_token,
        "resumed": resumed,
    }


def greeting(reply: int, text: str) -> Message:
    return {"type": "greeting", "reply": reply, "text": text}


def transcript(text: str, *, final: bool) -> Message:
    return {"type": "transcript", "text": text, "final": final}


def turn(text: str) -> Message:
    return {"type": "turn", "text": text}


def thinking() -> Message:
    return {"type": "thinking"}


def tool_call(call_id: str, name: str, arguments: dict[str, Any]) -> Message:
    return {"type": "tool_call", "id": call_id, "name": name, "arguments": arguments}


def tool_result(call_id: str, name: str, *, ok: bool) -> Message:
    return {"type": "tool_result", "id": call_id, "name": name, "ok": ok}


def reply_delta(reply: int, text: str) -> Message:
    return {"type": "reply_delta", "reply": reply, "text": text}


def chat(reply: int, text: str, steps: list[str]) -> Message:
    return {"type": "chat", "reply": reply, "text": text, "steps": steps}


def tts_done(reply: int) -> Message:
    return {"type": "tts_done", "reply": reply}


def cancelled(reply: int, heard: str) -> Message:
    return {"type": "cancelled", "reply": reply, "heard": heard}


def reset() -> Message:
    return {"type": "reset"}


def pong() -> Message:
    return {"type": "pong"}


def metrics(reply: int, stages_ms: dict[str, float]) -> Message:
    return {"type": "metrics", "reply": reply, "stages_ms": stages_ms}


def error(code: str, message: str, *, fatal: bool = False) -> Message:
    return {"type": "error", "code": code, "message": message, "fatal": fatal}
