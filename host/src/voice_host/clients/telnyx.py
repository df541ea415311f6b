"""Telnyx's media streaming: JSON in text frames, with G.711 audio in Base64.

The carrier sends `connected`, `start`, `media`, `dtmf`, `mark`, `error` and `stop`, and takes `media`, `mark` and
`clear`. It does not guarantee the order of `media`, and its audio is encoded as the call happens to be, which `start`
says: often A-law in Europe. What it is sent has the codec that was asked for when the call was answered.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, NamedTuple, NotRequired

from pydantic import Field, TypeAdapter
from typing_extensions import TypedDict

from voice_host.clients.audio import base64_text
from voice_host.clients.jitter_buffer import JitterBuffer
from voice_host.clients.media_stream import (
    G711_BYTES_PER_MS,
    DtmfDetails,
    JsonMediaStream,
    MarkDetails,
)
from voice_host.clients.protocol import AudioFormat, ClientEvent, Encoding, Frame, Malformed, Opening

NAME = "telnyx"

SAMPLE_RATE = 8000
MIN_MEDIA_BYTES = 160
"""Telnyx takes `media` of 20 ms to 30 s."""


class _Codec(NamedTuple):
    encoding: Encoding
    silence: bytes


CODECS: Mapping[str, _Codec] = {"PCMU": _Codec("mulaw", b"\xff"), "PCMA": _Codec("alaw", b"\xd5")}
"""The codecs that are supported, by Telnyx's names."""


class _MediaFormat(TypedDict):
    encoding: str
    sample_rate: NotRequired[int]
    channels: NotRequired[int]


class _Start(TypedDict):
    call_control_id: str
    custom_parameters: NotRequired[dict[str, str]]
    media_format: _MediaFormat


class _Media(TypedDict):
    track: NotRequired[str]
    chunk: Annotated[int, Field(ge=0)]
    timestamp: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    payload: str


class _Error(TypedDict):
    code: NotRequired[int | str]
    title: NotRequired[Annotated[str, Field(max_length=200)]]


class _Frame(TypedDict):
    event: Literal["connected", "start", "media", "dtmf", "mark", "error", "stop"]
    stream_id: NotRequired[str | None]
    start: NotRequired[_Start]
    media: NotRequired[_Media]
    dtmf: NotRequired[DtmfDetails]
    mark: NotRequired[MarkDetails]
    payload: NotRequired[_Error]


class TelnyxProtocol(JsonMediaStream):
    """One media stream of Telnyx (`ClientProtocol`).

    Args:
        call_id: the call control id of the call to which the stream must belong.
        codec: `PCMU` or `PCMA`: the `stream_bidirectional_codec` of the call, in which the agent's speech is sent.
    """

    carrier = "Telnyx"
    stream_key = "stream_id"
    parser = TypeAdapter(_Frame)

    def __init__(self, call_id: str, codec: str = "PCMU") -> None:
        self._call_id = call_id
        self._out = self._in = CODECS[codec]
        super().__init__(MIN_MEDIA_BYTES, hears=self._in.silence, speaks=self._out.silence)

    @classmethod
    def from_options(cls, options: Mapping[str, Any]) -> TelnyxProtocol:
        """Create the protocol from the options of a `ProtocolChoice`: `call_id`, `codec`."""
        return cls(options["call_id"], options.get("codec", "PCMU"))

    @property
    def microphone(self) -> AudioFormat:
        """The format of the caller's audio, known when the stream has started."""
        return AudioFormat(self._in.encoding, SAMPLE_RATE)

    @property
    def speaker(self) -> AudioFormat:
        """The format of the agent's speech."""
        return AudioFormat(self._out.encoding, SAMPLE_RATE)

    def _control(self, event: str, message: Mapping[str, Any]) -> Sequence[ClientEvent]:
        return (_reported(message.get("payload", {})),) if event == "error" else super()._control(event, message)

    def _open(self, details: _Start) -> Opening | Malformed:
        audio = details["media_format"]
        if details["call_control_id"] != self._call_id:
            return Malformed("the stream belongs to another call")
        sample_rate, channels = audio.get("sample_rate", SAMPLE_RATE), audio.get("channels", 1)
        if audio["encoding"] not in CODECS or (sample_rate, channels) != (SAMPLE_RATE, 1):
            return Malformed("the audio is neither PCMU nor PCMA at 8 kHz: allow only these for the connection")
        self._in = CODECS[audio["encoding"]]
        self._jitter = JitterBuffer(G711_BYTES_PER_MS, self._in.silence)
        return Opening(details.get("custom_parameters", {}), says_goodbye=True)

    def _in_order(self, media: _Media, audio: bytes) -> bytes:
        return self._jitter.put(media["chunk"], media["timestamp"], audio)

    def _audio_frames(self, audio: bytes) -> Sequence[Frame]:
        return (f'{{"event":"media","media":{{"payload":"{base64_text(audio)}"}}}}',)

    def _mark_frame(self, name: str) -> Frame:
        return f'{{"event":"mark","mark":{{"name":"{name}"}}}}'

    def _clear_frame(self) -> Frame:
        return '{"event":"clear"}'


def _reported(error: _Error) -> Malformed:
    title = "".join(char for char in error.get("title", "") if char.isprintable())
    return Malformed(f"Telnyx reports an error: {title} ({error.get('code', '')})")
