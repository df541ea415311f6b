"""Twilio's bidirectional Media Streams: JSON in text frames, with 8 kHz mu-law in Base64.

Twilio sends `connected`, `start`, `media`, `dtmf`, `mark` and `stop`, and takes `media`, `mark` and `clear`. A mark
comes back when what was sent before it has been played, and all pending ones at once on `clear`.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from voice_host.call.events import CallEvent, ReplyCut, SpeechSent
from voice_host.clients.jitter_buffer import JitterBuffer
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
    unlimited,
)
from voice_host.clients.spoken_audio import SpokenAudio

NAME = "twilio"

_BYTES_PER_MS = 8
"""8,000 samples a second, one byte each."""

_SILENCE = b"\xff"

_PACKET_BYTES = 160
"""20 ms: what Twilio sends, too. It takes pieces of any length."""


# --- from the carrier ---------------------------------------------------------------------------------------------


class _MediaFormat(BaseModel):
    encoding: str
    sample_rate: int = Field(alias="sampleRate")
    channels: int


class _StartDetails(BaseModel):
    account_sid: str = Field(alias="accountSid")
    call_sid: str = Field(alias="callSid")
    custom_parameters: dict[str, str] = Field(default={}, alias="customParameters")
    media_format: _MediaFormat = Field(alias="mediaFormat")


class _Connected(BaseModel):
    event: Literal["connected"]


class _Start(BaseModel):
    event: Literal["start"]
    stream_sid: str = Field(alias="streamSid", pattern=r"^MZ[0-9a-fA-F]{32}$")
    start: _StartDetails


class _MediaDetails(BaseModel):
    track: str = "inbound"
    timestamp: float = Field(ge=0, allow_inf_nan=False)
    payload: str


class _Media(BaseModel):
    event: Literal["media"]
    stream_sid: str = Field(alias="streamSid")
    media: _MediaDetails


class _DtmfDetails(BaseModel):
    digit: str = Field(pattern=r"^[0-9*#]$")


class _Dtmf(BaseModel):
    event: Literal["dtmf"]
    stream_sid: str = Field(alias="streamSid")
    dtmf: _DtmfDetails


class _MarkDetails(BaseModel):
    name: str = Field(max_length=100)


class _Mark(BaseModel):
    event: Literal["mark"]
    stream_sid: str = Field(alias="streamSid")
    mark: _MarkDetails


class _Stop(BaseModel):
    event: Literal["stop"]
    stream_sid: str = Field(alias="streamSid")


_Message = _Connected | _Start | _Media | _Dtmf | _Mark | _Stop
_parser: TypeAdapter[_Message] = TypeAdapter(Annotated[_Message, Field(discriminator="event")])


# --- the protocol -------------------------------------------------------------------------------------------------


class TwilioProtocol:
    """One media stream of Twilio (`ClientProtocol`).

    Args:
        account_sid, call_sid: the account and the call to which the stream must belong.
    """

    microphone = AudioFormat("mulaw", 8000, in_text=True)
    speaker = AudioFormat("mulaw", 8000, in_text=True)

    def __init__(self, account_sid: str, call_sid: str) -> None:
        self._account_sid = account_sid
        self._call_sid = call_sid
        self._stream = ""
        """The id of the stream; empty: it has not started."""
        self._received = 0
        self._gaps = JitterBuffer(_BYTES_PER_MS, _SILENCE)
        self._spoken = SpokenAudio(_PACKET_BYTES, _BYTES_PER_MS, _SILENCE)

    @classmethod
    def from_options(cls, options: Mapping[str, Any]) -> TwilioProtocol:
        """Create the protocol from the options of a `ProtocolChoice`: `account_sid`, `call_sid`."""
        return cls(options["account_sid"], options["call_sid"])

    def subprotocol(self, offered: Sequence[str]) -> str | None:
        """Accept none: Twilio offers none."""
        return None

    def connected(self, handshake: Handshake) -> Sequence[ClientEvent]:
        """Return nothing: `start` opens the call."""
        return ()

    # --- from the carrier -------------------------------------------------------------------------------------------

    def receive(self, frame: Frame, admit: Admit = unlimited) -> Sequence[ClientEvent]:
        """Parse a frame of Twilio."""
        if isinstance(frame, bytes):
            return (Malformed("Twilio sends text frames only"),)
        try:
            message = _parser.validate_json(frame)
        except ValidationError as error:
            return self._invalid(error)
        if not isinstance(message, _Media) and not admit():
            return ()
        match message:
            case _Connected():
                return ()
            case _Start():
                return self._start(message)
        if message.stream_sid != self._stream:
            return (Malformed("this stream was not started"),)
        match message:
            case _Media(media=media):
                return self._media(media)
            case _Mark(mark=mark):
                return self._played(mark.name)
            case _Dtmf(dtmf=dtmf):
                return (Dtmf(dtmf.digit),)
        return (Goodbye(),)

    def _invalid(self, error: ValidationError) -> Sequence[ClientEvent]:
        unknown = error.errors(include_url=False, include_input=False)[0]["type"] == "union_tag_invalid"
        message = "Twilio sent an unknown event" if unknown else "this is no valid frame of Twilio"
        return (Malformed(message, unknown=unknown),)

    def _start(self, message: _Start) -> Sequence[ClientEvent]:
        if self._stream:
            return (Malformed("the stream was started already"),)
        details, audio = message.start, message.start.media_format
        if (details.account_sid, details.call_sid) != (self._account_sid, self._call_sid):
            return (Malformed("the stream belongs to another call"),)
        if (audio.encoding, audio.sample_rate, audio.channels) != ("audio/x-mulaw", 8000, 1):
            return (Malformed("the audio is not mu-law at 8 kHz"),)
        self._stream = message.stream_sid
        return (Opening(details.custom_parameters),)

    def _media(self, media: _MediaDetails) -> Sequence[ClientEvent]:
        if media.track != "inbound":
            return (Malformed("the audio is not of the caller"),)
        try:
            payload = binascii.a2b_base64(media.payload, strict_mode=True)
        except ValueError:
            return (Malformed("the payload is not Base64"),)
        self._received += 1  # instead of Twilio's number of the chunk: a WebSocket keeps the order
        return (Audio(self._gaps.put(self._received, media.timestamp, payload)),)

    def _played(self, mark: str) -> Sequence[ClientEvent]:
        try:
            played = self._spoken.played(mark)
        except ValueError:
            return (Malformed("Twilio returned a mark that it was not sent"),)
        return () if played is None else (played,)

    # --- to the carrier ---------------------------------------------------------------------------------------------

    def tell(self, event: CallEvent) -> Sequence[Frame]:
        """Return `clear` for a reply that is cut, even if all was sent; and the last packet of one that is over."""
        match event:
            case ReplyCut(reply):
                self._spoken.cut(reply)
                return (f'{{"event":"clear","streamSid":"{self._stream}"}}',)
            case SpeechSent(reply) if packet := self._spoken.finish(reply):
                return self._frames(packet)
        return ()

    def speech(self, reply: int, data: bytes) -> Sequence[Frame]:
        """Return `media` of 20 ms each, and a `mark` that comes back when they have been played. A rest waits."""
        packets = self._spoken.add(reply, data)
        return self._frames(packets) if packets else ()

    def tones(self, data: bytes) -> Sequence[Frame]:
        """Return `media` without a mark. Twilio's own `<Play digits>` would end the stream."""
        packets = [
            base64.b64encode(data[at : at + _PACKET_BYTES]).decode() for at in range(0, len(data), _PACKET_BYTES)
        ]
        start = f'{{"event":"media","streamSid":"{self._stream}","media":{{"payload":"'
        return [f'{start}{packet}"}}}}' for packet in packets]

    def _frames(self, audio: bytes) -> Sequence[Frame]:
        mark = f'{{"event":"mark","streamSid":"{self._stream}","mark":{{"name":"{self._spoken.mark}"}}}}'
        return [*self.tones(audio), mark]
