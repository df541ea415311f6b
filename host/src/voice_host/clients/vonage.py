"""Vonage's WebSocket endpoint: the audio in binary frames of 20 ms, PCM16 at 16 kHz, and JSON in text frames.

The carrier sends `websocket:connected` first, then audio, `websocket:dtmf`, `websocket:notify` and
`websocket:cleared`. It takes audio and the actions `notify` and `clear`. When the caller hangs up, it closes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from voice_host.clients.media_stream import Digit, MarkName, MediaStream
from voice_host.clients.protocol import (
    Admit,
    Audio,
    AudioFormat,
    ClientEvent,
    Dtmf,
    Frame,
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
    digit: Digit


class _Mark(BaseModel):
    mark: MarkName


class _Notify(BaseModel):
    event: Literal["websocket:notify"]
    payload: _Mark


class _Cleared(BaseModel):
    event: Literal["websocket:cleared"]


class VonageProtocol(MediaStream):
    """One WebSocket of Vonage (`ClientProtocol`)."""

    carrier = "Vonage"
    parser = TypeAdapter(Annotated[_Connected | _Dtmf | _Notify | _Cleared, Field(discriminator="event")])
    microphone = AudioFormat("pcm16", SAMPLE_RATE)
    speaker = AudioFormat("pcm16", SAMPLE_RATE)

    def __init__(self) -> None:
        super().__init__(SpokenAudio(PACKET_BYTES, _BYTES_PER_MS, b"\0"))
        self._connected = False

    @classmethod
    def from_options(cls, options: Mapping[str, Any]) -> VonageProtocol:
        """Create the protocol from the options of a `ProtocolChoice`: it has none."""
        return cls()

    def receive(self, frame: Frame, admit: Admit = unlimited) -> Sequence[ClientEvent]:
        """Parse a frame of the carrier."""
        if isinstance(frame, bytes):
            return (self._audio(frame),)
        try:
            message = self.parser.validate_json(frame)
        except ValidationError as error:
            return (self._why(error),) if admit() else ()
        if not admit(report=isinstance(message, _Notify)):
            return ()
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

    def _audio(self, frame: bytes) -> Audio | Malformed:
        if not self._connected:
            return Malformed("audio came before websocket:connected")
        if len(frame) % 2:  # taken as audio, it would make noise of all that follows
            return Malformed("the audio is not PCM16: it has half a sample")
        return Audio(frame)

    def _open(self, message: _Connected) -> Sequence[ClientEvent]:
        if self._connected:
            return (Malformed("the WebSocket was connected already"),)
        if message.content_type.replace(" ", "").lower() != CONTENT_TYPE:
            return (Malformed(f"the audio is not {CONTENT_TYPE}"),)
        self._connected = True
        return (Opening(dict(message.model_extra or {})),)

    def _audio_frames(self, audio: bytes) -> Sequence[Frame]:
        return [audio[at : at + PACKET_BYTES] for at in range(0, len(audio), PACKET_BYTES)]

    def _mark_frame(self, name: str) -> Frame:
        return f'{{"action":"notify","payload":{{"mark":"{name}"}}}}'

    def _clear_frame(self) -> Frame:
        return '{"action":"clear"}'
