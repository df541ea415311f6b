"""Vonage's WebSocket endpoint: the audio in binary frames of 20 ms, PCM16 at 16 kHz, and JSON in text frames.

The carrier sends `websocket:connected` first, then audio, `websocket:dtmf`, `websocket:notify` and
`websocket:cleared`. It takes audio and the actions `notify` and `clear`. When the caller hangs up, it closes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from voice_host.call.events import CallEvent, ReplyCut, SpeechSent
from voice_host.clients.protocol import (
    Admit,
    Audio,
    AudioFormat,
    ClientEvent,
    Dtmf,
    Frame,
    Handshake,
    Malformed,
    Opening,
    unlimited,
)
from voice_host.clients.spoken_audio import SpokenAudio

NAME = "vonage"

SAMPLE_RATE = 16000
CONTENT_TYPE = f"audio/l16;rate={SAMPLE_RATE}"

PACKET_BYTES = 640
"""Vonage takes 20 ms in each frame, no less and no more."""

_BYTES_PER_MS = 32


class _Connected(BaseModel):
    model_config = ConfigDict(extra="allow")

    event: Literal["websocket:connected"]
    content_type: str = Field(alias="content-type")


class _Dtmf(BaseModel):
    event: Literal["websocket:dtmf"]
    digit: str = Field(pattern=r"^[0-9*#]$")


class _Mark(BaseModel):
    mark: str = Field(max_length=100)


class _Notify(BaseModel):
    event: Literal["websocket:notify"]
    payload: _Mark


class _Cleared(BaseModel):
    event: Literal["websocket:cleared"]


_Message = _Connected | _Dtmf | _Notify | _Cleared
_parser: TypeAdapter[_Message] = TypeAdapter(Annotated[_Message, Field(discriminator="event")])


class VonageProtocol:
    """One WebSocket of Vonage (`ClientProtocol`)."""

    microphone = AudioFormat("pcm16", SAMPLE_RATE)
    speaker = AudioFormat("pcm16", SAMPLE_RATE)

    def __init__(self) -> None:
        self._connected = False
        self._spoken = SpokenAudio(PACKET_BYTES, _BYTES_PER_MS, b"\0")

    def subprotocol(self, offered: Sequence[str]) -> str | None:
        """Accept none: Vonage offers none."""
        return None

    def connected(self, handshake: Handshake) -> Sequence[ClientEvent]:
        """Return nothing: `websocket:connected` opens the call."""
        return ()

    def receive(self, frame: Frame, admit: Admit = unlimited) -> Sequence[ClientEvent]:
        """Parse a frame of the carrier."""
        if isinstance(frame, bytes):
            return (Audio(frame),) if self._connected else (Malformed("audio came before websocket:connected"),)
        if not admit():
            return ()
        try:
            message = _parser.validate_json(frame)
        except ValidationError as error:
            unknown = error.errors(include_url=False, include_input=False)[0]["type"] == "union_tag_invalid"
            return (Malformed("Vonage sent an unknown event" if unknown else "this is no valid message of Vonage"),)
        if isinstance(message, _Connected):
            return self._open(message)
        if not self._connected:
            return (Malformed("websocket:connected must come first"),)
        match message:
            case _Dtmf(digit=digit):
                return (Dtmf(digit),)
            case _Notify(payload=payload):
                return self._played(payload.mark)
        return ()

    def _open(self, message: _Connected) -> Sequence[ClientEvent]:
        if self._connected:
            return (Malformed("the WebSocket was connected already"),)
        if message.content_type.replace(" ", "").lower() != CONTENT_TYPE:
            return (Malformed(f"the audio is not {CONTENT_TYPE}"),)
        self._connected = True
        return (Opening(dict(message.model_extra or {})),)

    def _played(self, mark: str) -> Sequence[ClientEvent]:
        try:
            played = self._spoken.played(mark)
        except ValueError:
            return (Malformed("Vonage returned a payload that it was not sent"),)
        return () if played is None else (played,)

    def tell(self, event: CallEvent) -> Sequence[Frame]:
        """Return `clear` for a reply that is cut, and the rest of the speech of one that has been spoken."""
        match event:
            case ReplyCut(reply):
                self._spoken.cut(reply)
                return ('{"action":"clear"}',)
            case SpeechSent(reply) if packet := self._spoken.finish(reply):
                return self._frames(packet)
        return ()

    def speech(self, reply: int, data: bytes) -> Sequence[Frame]:
        """Return audio, and a `notify` that is answered when it has been played. What is too short waits for more."""
        packets = self._spoken.add(reply, data)
        return self._frames(packets) if packets else ()

    def _frames(self, audio: bytes) -> Sequence[Frame]:
        packets = [audio[at : at + PACKET_BYTES] for at in range(0, len(audio), PACKET_BYTES)]
        return *packets, json.dumps({"action": "notify", "payload": {"mark": self._spoken.mark}})


def from_options(_: Mapping[str, Any]) -> VonageProtocol:
    """Create the protocol from the options of a `ProtocolChoice`: it has none."""
    return VonageProtocol()
