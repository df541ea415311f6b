"""What the media streams of telephone carriers have in common. A carrier's module has the rest. No I/O."""

from __future__ import annotations

import binascii
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar

from pydantic import Field, TypeAdapter, ValidationError
from typing_extensions import TypedDict

from voice_host.call.events import CallEvent, ReplyCut, SpeechSent
from voice_host.clients.jitter_buffer import JitterBuffer
from voice_host.clients.protocol import (
    Admit,
    Audio,
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

Digit = Annotated[str, Field(pattern=r"^[0-9*#]$")]
"""A telephone key."""

MarkName = Annotated[str, Field(max_length=100)]

G711_BYTES_PER_MS = 8
"""8,000 samples a second, one byte each."""


_UNKNOWN_EVENT = ("literal_error", "union_tag_invalid")
"""What pydantic says of it. No other field is a literal or a tag."""


class MediaStream(ABC):
    """The media stream of one call (`ClientProtocol`, but for its audio formats).

    The agent's speech is followed by marks, which the carrier returns when it has played what was sent before them.

    Attributes:
        carrier: its name, for messages.
        parser: validates a text frame. Its `event` is a literal, or tells the frames of a union apart.
    """

    carrier: ClassVar[str]
    parser: ClassVar[TypeAdapter[Any]]

    def __init__(self, spoken: SpokenAudio) -> None:
        self._spoken = spoken

    def subprotocol(self, offered: Sequence[str]) -> str | None:
        """Accept none: carriers offer none."""
        return None

    def connected(self, handshake: Handshake) -> Sequence[ClientEvent]:
        """Return nothing: a message of the carrier opens the call."""
        return ()

    # --- from the carrier -------------------------------------------------------------------------------------------

    @abstractmethod
    def receive(self, frame: Frame, admit: Admit = unlimited) -> Sequence[ClientEvent]:
        """Parse a frame of the carrier."""

    @property
    def _invalid(self) -> Malformed:
        return Malformed(f"this is no valid frame of {self.carrier}")

    def _why(self, error: ValidationError) -> Malformed:
        unknown = error.errors(include_url=False, include_input=False)[0]["type"] in _UNKNOWN_EVENT
        return Malformed(f"{self.carrier} sent an unknown event", unknown=True) if unknown else self._invalid

    def _played(self, mark: str) -> Sequence[ClientEvent]:
        try:
            played = self._spoken.played(mark)
        except ValueError:
            return (Malformed(f"{self.carrier} returned a mark that it was not sent"),)
        return () if played is None else (played,)

    # --- to the carrier ---------------------------------------------------------------------------------------------

    def tell(self, event: CallEvent) -> Sequence[Frame]:
        """Return `clear` for a reply that is cut, even if all was sent; and the end of one that is over."""
        match event:
            case ReplyCut(reply):
                self._spoken.cut(reply)
                return (self._clear_frame(),)
            case SpeechSent(reply):
                return self._frames(self._spoken.finish(reply), last=True)
        return ()

    def speech(self, reply: int, data: bytes) -> Sequence[Frame]:
        """Return whole packets of audio, and a mark if one is due. What is too short for a packet waits for more."""
        return self._frames(self._spoken.add(reply, data)) if data else ()

    def _frames(self, audio: bytes, *, last: bool = False) -> Sequence[Frame]:
        frames = self._audio_frames(audio) if audio else ()
        if (audio or last) and (mark := self._spoken.mark(last=last)) is not None:
            return (*frames, self._mark_frame(mark))
        return frames

    @abstractmethod
    def _audio_frames(self, audio: bytes) -> Sequence[Frame]:
        """Return the frames that carry audio."""

    @abstractmethod
    def _mark_frame(self, name: str) -> Frame:
        """Return the frame that makes the carrier tell when it has played what was sent before."""

    @abstractmethod
    def _clear_frame(self) -> Frame:
        """Return the frame that makes the carrier stop playing, and forget what it was sent."""


# --- streams of JSON --------------------------------------------------------------------------------------------------


class DtmfDetails(TypedDict):
    """A telephone key."""

    digit: Digit


class MarkDetails(TypedDict):
    """A mark that comes back."""

    name: MarkName


class JsonMediaStream(MediaStream):
    """A media stream of JSON in text frames, with G.711 in Base64, as Twilio's and those that resemble it.

    Its frames are `connected`, `start`, `media`, `dtmf`, `mark` and `stop`. All but the first name the stream, and have
    their details below the name of the event.

    Args:
        packet_bytes: audio is sent in multiples of this.
        hears, speaks: a byte of silence, of the caller's audio and of the agent's.

    Attributes:
        stream_key: under which frames name their stream.
    """

    stream_key: ClassVar[str]
    _other_track: ClassVar[Sequence[ClientEvent]] = ()
    """What a packet of another track than the caller's means."""

    def __init__(self, packet_bytes: int, *, hears: bytes, speaks: bytes) -> None:
        super().__init__(SpokenAudio(packet_bytes, G711_BYTES_PER_MS, speaks))
        self._validate = self.parser.validator.validate_json
        self._stream: str | None = None
        """The id of the stream; None: it has not started."""
        self._jitter = JitterBuffer(G711_BYTES_PER_MS, hears)

    def receive(self, frame: Frame, admit: Admit = unlimited) -> Sequence[ClientEvent]:
        """Parse a frame of the carrier."""
        if isinstance(frame, bytes):
            return (Malformed(f"{self.carrier} sends text frames only"),)
        try:
            message = self._validate(frame)
        except ValidationError as error:
            return (self._why(error),)
        event, stream = message["event"], message.get(self.stream_key)
        # Nearly all frames are these.
        if event == "media" and stream is not None and stream == self._stream and "media" in message:
            return self._hear(message["media"])
        if event in _DETAILED and (event not in message or stream is None):
            return (self._invalid,)
        if event == "media":
            return (_NOT_STARTED,)
        return self._control(event, message) if admit(report=event == "mark") else ()

    def _control(self, event: str, message: Mapping[str, Any]) -> Sequence[ClientEvent]:
        """Take a message that holds no audio."""
        match event:
            case "connected":
                return ()
            case "start":
                return (self._start(message),)
            case _ if self._stream is None or message.get(self.stream_key) != self._stream:
                return (_NOT_STARTED,)
            case "mark":
                return self._played(message["mark"]["name"])
            case "dtmf":
                return (Dtmf(message["dtmf"]["digit"]),)
        rest = self._jitter.flush()
        return (Audio(rest), Goodbye()) if rest else (Goodbye(),)

    def _start(self, message: Mapping[str, Any]) -> Opening | Malformed:
        if self._stream is not None:
            return Malformed("the stream was started already")
        opened = self._open(message["start"])
        if isinstance(opened, Opening):
            self._stream = message[self.stream_key]
        return opened

    @abstractmethod
    def _open(self, details: Any) -> Opening | Malformed:
        """Check the call and the audio format of a stream that starts."""

    def _hear(self, media: Any) -> Sequence[ClientEvent]:
        """Take a packet of audio."""
        if media.get("track", "inbound") != "inbound":
            return self._other_track
        try:
            audio = binascii.a2b_base64(media["payload"], strict_mode=True)
        except ValueError:
            return (Malformed("the payload is not Base64"),)
        return (Audio(self._in_order(media, audio)),)

    @abstractmethod
    def _in_order(self, media: Any, audio: bytes) -> bytes:
        """Pass the decoded audio of a packet through the `JitterBuffer`, and return what is complete by now."""


_DETAILED = frozenset({"start", "media", "dtmf", "mark"})
_NOT_STARTED = Malformed("this stream was not started")
