"""Twilio's bidirectional Media Streams: JSON in text frames, with 8 kHz mu-law in Base64.

Twilio sends `connected`, `start`, `media`, `dtmf`, `mark` and `stop`, and takes `media`, `mark` and `clear`. A mark
comes back when what was sent before it has been played, and all pending ones at once on `clear`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, NotRequired

from pydantic import Field, TypeAdapter
from typing_extensions import TypedDict

from voice_host.clients.audio import base64_text
from voice_host.clients.media_stream import DtmfDetails, JsonMediaStream, MarkDetails
from voice_host.clients.protocol import AudioFormat, Frame, Malformed, Opening

NAME = "twilio"

_SILENCE = b"\xff"

_PACKET_BYTES = 160
"""20 ms: what Twilio sends, too. It takes pieces of any length."""


class _MediaFormat(TypedDict):
    encoding: str
    sampleRate: int
    channels: int


class _Start(TypedDict):
    accountSid: str
    callSid: str
    customParameters: NotRequired[dict[str, str]]
    mediaFormat: _MediaFormat


class _Media(TypedDict):
    track: NotRequired[str]
    timestamp: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    payload: str


class _Frame(TypedDict):
    event: Literal["connected", "start", "media", "dtmf", "mark", "stop"]
    streamSid: NotRequired[Annotated[str, Field(pattern=r"^MZ[0-9a-fA-F]{32}$")]]
    start: NotRequired[_Start]
    media: NotRequired[_Media]
    dtmf: NotRequired[DtmfDetails]
    mark: NotRequired[MarkDetails]


class TwilioProtocol(JsonMediaStream):
    """One media stream of Twilio (`ClientProtocol`).

    Args:
        account_sid, call_sid: the account and the call to which the stream must belong.
    """

    carrier = "Twilio"
    stream_key = "streamSid"
    parser = TypeAdapter(_Frame)
    microphone = AudioFormat("mulaw", 8000)
    speaker = AudioFormat("mulaw", 8000)
    _other_track = (Malformed("the audio is not of the caller"),)

    def __init__(self, account_sid: str, call_sid: str) -> None:
        super().__init__(_PACKET_BYTES, hears=_SILENCE, speaks=_SILENCE)
        self._account_sid = account_sid
        self._call_sid = call_sid

    @classmethod
    def from_options(cls, options: Mapping[str, Any]) -> TwilioProtocol:
        """Create the protocol from the options of a `ProtocolChoice`: `account_sid`, `call_sid`."""
        return cls(options["account_sid"], options["call_sid"])

    def _open(self, details: _Start) -> Opening | Malformed:
        audio = details["mediaFormat"]
        if (details["accountSid"], details["callSid"]) != (self._account_sid, self._call_sid):
            return Malformed("the stream belongs to another call")
        if (audio["encoding"], audio["sampleRate"], audio["channels"]) != ("audio/x-mulaw", 8000, 1):
            return Malformed("the audio is not mu-law at 8 kHz")
        return Opening(details.get("customParameters", {}), says_goodbye=True)

    def _in_order(self, media: _Media, audio: bytes) -> bytes:
        return self._jitter.follow(media["timestamp"], audio)  # a WebSocket keeps the order

    def tones(self, data: bytes) -> Sequence[Frame]:
        """Return `media` without a mark. Twilio's own `<Play digits>` would end the stream."""
        return self._audio_frames(data)

    def _audio_frames(self, audio: bytes) -> Sequence[Frame]:
        """Return `media` of 20 ms each."""
        head = f'{{"event":"media","streamSid":"{self._stream}","media":{{"payload":"'
        return [
            f'{head}{base64_text(audio[at : at + _PACKET_BYTES])}"}}}}' for at in range(0, len(audio), _PACKET_BYTES)
        ]

    def _mark_frame(self, name: str) -> Frame:
        return f'{{"event":"mark","streamSid":"{self._stream}","mark":{{"name":"{name}"}}}}'

    def _clear_frame(self) -> Frame:
        return f'{{"event":"clear","streamSid":"{self._stream}"}}'
