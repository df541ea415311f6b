"""What Telnyx refuses: requests to its REST API, and frames of a media stream."""

from __future__ import annotations

import base64
import binascii
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

FRAME_BYTES = 160
"""20 ms of G.711."""


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


def _wss(url: str) -> str:
    if not url.startswith("wss://"):
        raise ValueError("must be a wss:// address")
    return url


Number = Annotated[str, Field(pattern=r"^\+[1-9]\d{1,14}$")]
Url = Annotated[str, AfterValidator(_wss)]


class Parameter(Strict):
    name: str
    value: str


class Command(Strict):
    command_id: str | None = Field(default=None, max_length=128)
    client_state: str | None = None


class Streaming(Command):
    """The fields of `answer`, `streaming_start` and `calls` that are about the stream, with Telnyx's defaults."""

    stream_url: Url | None = None
    stream_track: Literal["inbound_track", "outbound_track", "both_tracks"] = "inbound_track"
    stream_codec: Literal["PCMU", "PCMA", "G722", "OPUS", "AMR-WB", "L16", "default"] = "default"
    stream_bidirectional_mode: Literal["mp3", "rtp"] = "mp3"
    stream_bidirectional_codec: Literal["PCMU", "PCMA", "G722", "OPUS", "AMR-WB", "L16"] = "PCMU"
    stream_bidirectional_sampling_rate: Literal[8000, 16000, 22050, 24000, 48000] = 8000
    stream_bidirectional_target_legs: Literal["both", "self", "opposite"] = "opposite"
    stream_auth_token: str | None = Field(default=None, max_length=4000)
    custom_parameters: tuple[Parameter, ...] = ()
    preferred_codecs: str | None = None


class Dialled(Streaming):
    connection_id: str
    to: Number
    from_: Number = Field(alias="from")
    timeout_secs: int = Field(default=30, ge=5, le=600)
    time_limit_secs: int = Field(default=14400, ge=30, le=14400)
    answering_machine_detection: Literal[
        "premium", "detect", "detect_beep", "detect_words", "greeting_end", "disabled"
    ] = "disabled"
    webhook_url: Annotated[str, Field(pattern="^https://")] | None = None


class Transfer(Command):
    to: Annotated[str, Field(pattern=r"^(\+[1-9]\d{1,14}|sips?:\S+@\S+)$")]


class Refer(Command):
    sip_address: Annotated[str, Field(pattern=r"^sips?:\S+@\S+$")]


class Digits(Command):
    digits: Annotated[str, Field(pattern=r"^[0-9A-D*#wW]+$")]


class Speak(Command):
    payload: str = Field(min_length=1, max_length=3000)
    voice: str = Field(min_length=1)
    language: str | None = None
    service_level: Literal["basic", "premium"] = "premium"


class Play(Command):
    audio_url: Annotated[str, Field(pattern="^https://")]


ACTIONS: dict[str, type[Command]] = {
    "answer": Streaming,
    "streaming_start": Streaming,
    "hangup": Command,
    "transfer": Transfer,
    "refer": Refer,
    "send_dtmf": Digits,
    "speak": Speak,
    "playback_start": Play,
}


class _Payload(Strict):
    payload: str


class _Name(Strict):
    name: str = Field(min_length=1)


class Media(Strict):
    event: Literal["media"]
    media: _Payload


class Mark(Strict):
    event: Literal["mark"]
    mark: _Name


class Clear(Strict):
    event: Literal["clear"]


_frames: TypeAdapter[Media | Mark | Clear] = TypeAdapter(Annotated[Media | Mark | Clear, Field(discriminator="event")])


class Refused(Exception):
    """A frame that Telnyx answers with an `error`."""

    def __init__(self, code: int, title: str) -> None:
        super().__init__(title)
        self.code = code


def parse(raw: str | bytes) -> bytes | Mark | Clear:
    """Parse a frame that is sent to Telnyx. Audio is returned decoded.

    Raises:
        Refused: Telnyx does not take it.
    """
    try:
        if isinstance(raw, bytes):
            raise ValueError("binary")
        frame = _frames.validate_json(raw)
    except (ValidationError, ValueError):
        raise Refused(100003, "malformed_frame") from None
    if not isinstance(frame, Media):
        return frame
    try:
        audio = base64.b64decode(frame.media.payload, validate=True)
    except binascii.Error:
        raise Refused(100004, "invalid_media") from None
    if audio.startswith(b"RIFF") or not FRAME_BYTES <= len(audio) <= 1500 * FRAME_BYTES:
        raise Refused(100004, "invalid_media")
    return audio


def problem(error: ValidationError) -> dict[str, Any]:
    """Return the body of the answer to a request that is not valid."""
    first = error.errors(include_url=False, include_input=False)[0]
    pointer = "/" + "/".join(str(part) for part in first["loc"])
    return {
        "errors": [{"code": "10015", "title": "Bad Request", "detail": first["msg"], "source": {"pointer": pointer}}]
    }
