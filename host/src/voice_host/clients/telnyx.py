"""Telnyx's media streaming: JSON in text frames, with G.711 audio in Base64.

The carrier sends `connected`, `start`, `media`, `dtmf`, `mark`, `error` and `stop`, and takes `media`, `mark` and
`clear`. It does not guarantee the order of `media`, and its audio is encoded as the call happens to be, which `start`
says: often A-law in Europe. What it is sent has the codec that was asked for when the call was answered.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from voice_host.call.events import CallEvent, ReplyCut, SpeechSent
from voice_host.clients.jitter_buffer import JitterBuffer
from voice_host.clients.protocol import (
    Admit,
    Audio,
    AudioFormat,
    ClientEvent,
    Dtmf,
    Encoding,
    Frame,
    Goodbye,
    Handshake,
    Malformed,
    Opening,
    unlimited,
)
from voice_host.clients.spoken_audio import SpokenAudio

NAME = "telnyx"

SAMPLE_RATE = 8000
_BYTES_PER_MS = 8
MIN_MEDIA_BYTES = 160
"""Telnyx takes `media` of 20 ms to 30 s."""


class _Codec(NamedTuple):
    encoding: Encoding
    silence: bytes


CODECS: Mapping[str, _Codec] = {"PCMU": _Codec("mulaw", b"\xff"), "PCMA": _Codec("alaw", b"\xd5")}
"""The codecs that are supported, by Telnyx's names."""


# --- from the carrier ---------------------------------------------------------------------------------------------


class _MediaFormat(BaseModel):
    encoding: str
    sample_rate: int = SAMPLE_RATE
    channels: int = 1


class _StartDetails(BaseModel):
    call_control_id: str
    custom_parameters: dict[str, str] = {}
    media_format: _MediaFormat


class _Connected(BaseModel):
    event: Literal["connected"]


class _Start(BaseModel):
    event: Literal["start"]
    stream_id: str
    start: _StartDetails


class _MediaDetails(BaseModel):
    track: str = "inbound"
    chunk: int = Field(ge=0)
    timestamp: float = Field(ge=0, allow_inf_nan=False)
    payload: str


class _Media(BaseModel):
    event: Literal["media"]
    stream_id: str
    media: _MediaDetails


class _DtmfDetails(BaseModel):
    digit: str = Field(pattern=r"^[0-9*#]$")


class _Dtmf(BaseModel):
    event: Literal["dtmf"]
    stream_id: str
    dtmf: _DtmfDetails


class _MarkDetails(BaseModel):
    name: str = Field(max_length=100)


class _Mark(BaseModel):
    event: Literal["mark"]
    stream_id: str
    mark: _MarkDetails


class _ErrorDetails(BaseModel):
    code: int | str = ""
    title: str = Field(default="", max_length=200)


class _Error(BaseModel):
    event: Literal["error"]
    stream_id: str | None = None
    payload: _ErrorDetails


class _Stop(BaseModel):
    event: Literal["stop"]
    stream_id: str


_Message = _Connected | _Start | _Media | _Dtmf | _Mark | _Error | _Stop
_parser: TypeAdapter[_Message] = TypeAdapter(Annotated[_Message, Field(discriminator="event")])


# --- the protocol -------------------------------------------------------------------------------------------------


class TelnyxProtocol:
    """One media stream of Telnyx (`ClientProtocol`).

    Args:
        call_id: the call control id of the call to which the stream must belong.
        codec: `PCMU` or `PCMA`: the `stream_bidirectional_codec` of the call, in which the agent's speech is sent.
    """

    def __init__(self, call_id: str, codec: str = "PCMU") -> None:
        self._call_id = call_id
        self._out = CODECS[codec]
        self._in = CODECS[codec]
        self._stream: str | None = None
        self._jitter = JitterBuffer(_BYTES_PER_MS, self._in.silence)
        self._spoken = SpokenAudio(MIN_MEDIA_BYTES, _BYTES_PER_MS, self._out.silence)

    @classmethod
    def from_options(cls, options: Mapping[str, Any]) -> TelnyxProtocol:
        """Create the protocol from the options of a `ProtocolChoice`: `call_id`, `codec`."""
        return cls(options["call_id"], options.get("codec", "PCMU"))

    @property
    def microphone(self) -> AudioFormat:
        """The format of the caller's audio, known when the stream has started."""
        return AudioFormat(self._in.encoding, SAMPLE_RATE, in_text=True)

    @property
    def speaker(self) -> AudioFormat:
        """The format of the agent's speech."""
        return AudioFormat(self._out.encoding, SAMPLE_RATE, in_text=True)

    def subprotocol(self, offered: Sequence[str]) -> str | None:
        """Accept none: Telnyx offers none."""
        return None

    def connected(self, handshake: Handshake) -> Sequence[ClientEvent]:
        """Return nothing: `start` opens the call."""
        return ()

    # --- from the carrier -------------------------------------------------------------------------------------------

    def receive(self, frame: Frame, admit: Admit = unlimited) -> Sequence[ClientEvent]:
        """Parse a frame of the carrier."""
        if isinstance(frame, bytes):
            return (Malformed("Telnyx sends text frames only"),)
        try:
            message = _parser.validate_json(frame)
        except ValidationError as error:
            return self._invalid(error)
        if not isinstance(message, _Media) and not admit():
            return ()
        match message:
            case _Connected():
                return ()
            case _Error(payload=payload):
                title = "".join(char for char in payload.title if char.isprintable())
                return (Malformed(f"Telnyx reports an error: {title} ({payload.code})"),)
            case _Start():
                return self._start(message)
        if self._stream is None or message.stream_id != self._stream:
            return (Malformed("this stream was not started"),)
        match message:
            case _Media(media=media):
                return self._media(media)
            case _Mark(mark=mark):
                return self._played(mark.name)
            case _Dtmf(dtmf=dtmf):
                return (Dtmf(dtmf.digit),)
        rest = self._jitter.flush()
        return (Audio(rest), Goodbye()) if rest else (Goodbye(),)

    def _invalid(self, error: ValidationError) -> Sequence[ClientEvent]:
        unknown = error.errors(include_url=False, include_input=False)[0]["type"] == "union_tag_invalid"
        message = "Telnyx sent an unknown event" if unknown else "this is no valid frame of Telnyx"
        return (Malformed(message, unknown=unknown),)

    def _start(self, message: _Start) -> Sequence[ClientEvent]:
        if self._stream is not None:
            return (Malformed("the stream was started already"),)
        details, audio = message.start, message.start.media_format
        if details.call_control_id != self._call_id:
            return (Malformed("the stream belongs to another call"),)
        if audio.encoding not in CODECS or audio.sample_rate != SAMPLE_RATE or audio.channels != 1:
            return (Malformed("the audio is neither PCMU nor PCMA at 8 kHz: allow only these for the connection"),)
        self._stream = message.stream_id
        self._in = CODECS[audio.encoding]
        self._jitter = JitterBuffer(_BYTES_PER_MS, self._in.silence)
        return (Opening(details.custom_parameters),)

    def _media(self, media: _MediaDetails) -> Sequence[ClientEvent]:
        if media.track != "inbound":
            return ()
        try:
            payload = binascii.a2b_base64(media.payload, strict_mode=True)
        except ValueError:
            return (Malformed("the payload is not Base64"),)
        return (Audio(self._jitter.put(media.chunk, media.timestamp, payload)),)

    def _played(self, mark: str) -> Sequence[ClientEvent]:
        try:
            played = self._spoken.played(mark)
        except ValueError:
            return (Malformed("Telnyx returned a mark that it was not sent"),)
        return () if played is None else (played,)

    # --- to the carrier ---------------------------------------------------------------------------------------------

    def tell(self, event: CallEvent) -> Sequence[Frame]:
        """Return `clear` for a reply that is cut, and the rest of the speech of one that has been spoken."""
        match event:
            case ReplyCut(reply):
                self._spoken.cut(reply)
                return ('{"event":"clear"}',)
            case SpeechSent(reply) if packet := self._spoken.finish(reply):
                return self._frames(packet)
        return ()

    def speech(self, reply: int, data: bytes) -> Sequence[Frame]:
        """Return `media`, and a `mark` that comes back when it has been played. What is too short waits for more."""
        packets = self._spoken.add(reply, data)
        return self._frames(packets) if packets else ()

    def _frames(self, audio: bytes) -> Sequence[Frame]:
        media = json.dumps({"event": "media", "media": {"payload": base64.b64encode(audio).decode()}})
        return media, json.dumps({"event": "mark", "mark": {"name": self._spoken.mark}})
