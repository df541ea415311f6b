"""`ClientProtocol`, which translates between a client's frames and the events of a call.

A protocol is pure: no I/O, no tasks, no clock. Each connection has its own object. A call depends only on this module,
not on a concrete protocol, and a protocol depends only on the events of the call.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, runtime_checkable

from voice_host.call.events import CallEvent
from voice_host_sdk import Channel

Frame = str | bytes
"""A WebSocket message: text or binary."""


class Admit(Protocol):
    """Says whether to take a frame that holds something else than audio. It counts towards the limits of the call."""

    def __call__(self, *, report: bool = False) -> bool:
        """Return whether to take the frame.

        Args:
            report: it only tells how much of a reply was played: `Played` without `stopped`. It may be passed again
                although it was admitted, so it must not change the protocol.
        """


# --- what a client does -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Handshake:
    """What the client sent when it connected: the query parameters, and their size in bytes."""

    query: Mapping[str, str] = field(default_factory=dict)
    size: int = 0


@dataclass(frozen=True, slots=True)
class Opening:
    """The call can begin.

    Attributes:
        metadata: of the client; of the call token and the carrier, where the front makes the opening.
        resume_token: if the client continues a call.
        channel: how the caller is connected; None: the front does not know more than the protocol.
        reports_after_cut: the client tells how much of a reply it played only after the reply was cut (`Played` with
            `stopped`), so that the call has to wait for that.
        configures: the client may choose its audio formats with its first message (`Configured`), so that the agent
            should not speak before.
        says_goodbye: the client ends a call with a message (`Goodbye`), so that one that just closes the connection is
            lost.
    """

    metadata: Mapping[str, Any] = field(default_factory=dict)
    resume_token: str | None = None
    channel: Channel | None = None
    reports_after_cut: bool = False
    configures: bool = False
    says_goodbye: bool = False


@dataclass(frozen=True, slots=True)
class Audio:
    """Microphone audio in the protocol's own format. The connection converts it to PCM16 at the agent's rate."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Typed:
    """A typed turn."""

    text: str


@dataclass(frozen=True, slots=True)
class Stop:
    """The caller wants the agent to stop speaking.

    Attributes:
        withdraws: the answer that was asked for (`Respond`) is no longer wanted either, if it has not begun.
    """

    withdraws: bool = True


@dataclass(frozen=True, slots=True)
class Reset:
    """The caller asks to forget the conversation and start again."""


@dataclass(frozen=True, slots=True)
class Played:
    """How much of a reply's audio has been played.

    Attributes:
        paused: playback is paused until `ReplyReleased`.
        stopped: playback has ended there, and the rest will not be played.
    """

    reply: int
    played_ms: float
    paused: bool = False
    stopped: bool = False


@dataclass(frozen=True, slots=True)
class Dtmf:
    """A telephone key was pressed: 0 to 9, * or #."""

    digit: str


@dataclass(frozen=True, slots=True)
class Configured:
    """The client has chosen its audio formats, or begins without: the agent may speak."""


@dataclass(frozen=True, slots=True)
class SpeechWanted:
    """Whether the client wants replies to be spoken, from the next one on. Without, they are text only."""

    wanted: bool


@dataclass(frozen=True, slots=True)
class TurnMode:
    """Who decides when a spoken turn ends. `manual`: the client, with `Commit`; otherwise the host."""

    manual: bool


@dataclass(frozen=True, slots=True)
class Commit:
    """All audio of a spoken turn was sent. In manual mode, it is not answered before `Respond`."""


@dataclass(frozen=True, slots=True)
class Discard:
    """Forget what was said since the last `Commit`. Only in manual mode."""


@dataclass(frozen=True, slots=True)
class Respond:
    """Answer the committed turns, which `text` was typed before. Only in manual mode."""

    text: str = ""


@dataclass(frozen=True, slots=True)
class Goodbye:
    """The client ends the call, with a message of the protocol."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Frames to send back at once, such as the answer to a ping. The call is not involved."""

    frames: Sequence[Frame]


@dataclass(frozen=True, slots=True)
class Malformed:
    """The client violated the protocol. `message` is safe to send to the client.

    Attributes:
        answer: the frames that tell the client, if the protocol has more to say than the message.
        unknown: it is a message of a type that the protocol does not know, which does not keep a call from beginning.
    """

    message: str
    answer: Sequence[Frame] = ()
    unknown: bool = False


ClientEvent = (
    Opening
    | Audio
    | Typed
    | Stop
    | Reset
    | Played
    | Dtmf
    | Configured
    | SpeechWanted
    | TurnMode
    | Commit
    | Discard
    | Respond
    | Goodbye
    | Answer
    | Malformed
)

# --- the protocol -----------------------------------------------------------------------------------------------------


Encoding = Literal["pcm16", "mulaw", "alaw"]


@dataclass(frozen=True, slots=True)
class AudioFormat:
    """Mono audio on the wire.

    Attributes:
        encoding: `pcm16` is little-endian; the others are G.711, used by telephones.
        sample_rate: Hz; None: the rate of the agent's speech services.
    """

    encoding: Encoding = "pcm16"
    sample_rate: int | None = None


def unlimited(*, report: bool = False) -> bool:
    """Admit every frame (`Admit`)."""
    return True


@runtime_checkable
class PlaysTones(Protocol):
    """What the protocol of a carrier has, beside `ClientProtocol`, if telephone keys are sent as tones in the audio."""

    def tones(self, data: bytes) -> Sequence[Frame]:
        """Return the frames that carry tones, which are no part of any reply. `data`: in the format of `speaker`."""


class ClientProtocol(Protocol):
    """The protocol of one connection. Its audio formats may change with a frame of the client."""

    @property
    def microphone(self) -> AudioFormat:
        """The format of the audio that the client sends."""

    @property
    def speaker(self) -> AudioFormat:
        """The format of the audio that the client plays."""

    def subprotocol(self, offered: Sequence[str]) -> str | None:
        """Return which of the WebSocket subprotocols that the client offers to accept; None: none of them."""

    def connected(self, handshake: Handshake) -> Sequence[ClientEvent]:
        """Take the handshake. Returns an `Opening`, unless the client sends what it needs in its first message."""

    def receive(self, frame: Frame, admit: Admit = unlimited) -> Sequence[ClientEvent]:
        """Parse a frame from the client. Messages of unknown types yield no event.

        Args:
            frame: what was received.
            admit: to be called for a frame that is not audio, which has limits of its own, before it takes effect, with
                `report` if it is one. If it returns False, forget the frame and return no event: it is over a limit, or
                will be passed again.
        """

    def tell(self, event: CallEvent) -> Sequence[Frame]:
        """Return the frames that report an event to the client; none if the protocol has no message for it.

        `SpeechSent` follows the last piece of a reply's speech, unless it is cut: a protocol with frames of a fixed
        length sends the last one then, padded.
        """

    def speech(self, reply: int, data: bytes) -> Sequence[Frame]:
        """Return the frames that carry a piece of a reply's speech, of any length.

        Args:
            reply: the reply; another number than before begins another one.
            data: in the format of `speaker`.
        """
