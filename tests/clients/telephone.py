"""A second, complete client protocol, as a telephone carrier might speak it: it shows how one is written.

8 kHz mu-law in base64 within JSON; the client introduces itself in a message; marks come back when what was sent before
them has been played; `clear` drops what has not. Frames of the carrier:

    {"event": "start", "stream": "S1", "parameters": {"from": "+15550100"}}
    {"event": "media", "stream": "S1", "payload": "<base64>"}
    {"event": "mark", "stream": "S1", "name": "..."}
    {"event": "dtmf", "stream": "S1", "digit": "5"}
    {"event": "stop", "stream": "S1"}

Frames to the carrier: `media`, `mark`, and `{"event": "clear", "stream": "S1"}`.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import Base64Bytes, BaseModel, Field, TypeAdapter, ValidationError

from voice_host.call.events import CallEvent, ReplyCut
from voice_host.clients.protocol import (
    Admit,
    Audio,
    AudioFormat,
    ClientEvent,
    Dtmf,
    Frame,
    Goodbye,
    Handshake,
    Malformed,
    Opening,
    Played,
    unlimited,
)
from voice_host_sdk import Channel

BYTES_PER_MS = 8
"""8,000 samples a second, one byte each."""


class Start(BaseModel):
    event: Literal["start"]
    stream: str
    parameters: dict[str, str] = {}


class Media(BaseModel):
    event: Literal["media"]
    stream: str
    payload: Base64Bytes


class Mark(BaseModel):
    event: Literal["mark"]
    stream: str
    name: str = Field(pattern=r"^\d{1,9}:\d{1,12}$")


class Key(BaseModel):
    event: Literal["dtmf"]
    stream: str
    digit: str = Field(pattern=r"^[0-9*#]$")


class End(BaseModel):
    event: Literal["stop"]
    stream: str


_frames: TypeAdapter[Start | Media | Mark | Key | End] = TypeAdapter(
    Annotated[Start | Media | Mark | Key | End, Field(discriminator="event")]
)


class TelephoneProtocol:
    """One line of the carrier (`ClientProtocol`)."""

    microphone = AudioFormat("mulaw", 8000)
    speaker = AudioFormat("mulaw", 8000)

    def __init__(self) -> None:
        self._stream: str | None = None
        self._reply = 0
        """Whose audio was sent last."""
        self._sent_bytes = 0
        """How much of it."""
        self._cut = 0
        """The last reply that was cut: marks of it come back because of `clear`, and not because they were played."""

    def subprotocol(self, offered: Sequence[str]) -> str | None:
        return None

    def connected(self, handshake: Handshake) -> Sequence[ClientEvent]:
        return ()  # `start` says who calls

    def receive(self, frame: Frame, admit: Admit = unlimited) -> Sequence[ClientEvent]:
        try:
            message = _frames.validate_json(frame)
        except ValidationError:
            return (Malformed("this is no frame of the carrier"),)
        if not isinstance(message, Media) and not admit(report=isinstance(message, Mark)):
            return ()
        if isinstance(message, Start) and self._stream is None:
            self._stream = message.stream
            channel = Channel("carrier", "phone", from_number=message.parameters.get("from"))
            return (Opening(message.parameters, channel=channel),)
        if message.stream != self._stream:
            return (Malformed("this stream was not started"),)
        match message:
            case Media(payload=payload):
                return (Audio(payload),)
            case Mark(name=name):
                return self._played(name)
            case Key(digit=digit):
                return (Dtmf(digit),)
            case End():
                return (Goodbye(),)
        return (Malformed("the stream was started already"),)

    def _played(self, name: str) -> Sequence[ClientEvent]:
        reply, played_bytes = map(int, name.split(":"))
        return (Played(reply, played_bytes / BYTES_PER_MS),) if reply > self._cut else ()

    def tell(self, event: CallEvent) -> Sequence[Frame]:
        if not isinstance(event, ReplyCut):
            return ()  # a telephone shows no text
        self._cut = event.reply
        return (self._frame({"event": "clear"}),)

    def speech(self, reply: int, data: bytes) -> Sequence[Frame]:
        if reply != self._reply:
            self._reply, self._sent_bytes = reply, 0
        self._sent_bytes += len(data)
        media = self._frame({"event": "media", "payload": base64.b64encode(data).decode()})
        return (media, self._frame({"event": "mark", "name": f"{reply}:{self._sent_bytes}"}))

    def _frame(self, message: Mapping[str, Any]) -> str:
        return json.dumps({**message, "stream": self._stream})
