"""What every client protocol is: a translator between a client's frames and the events of a call.

A protocol is pure: no I/O, no tasks, no clock but what it is given. There is one object for each connection. The call
knows this module and no concrete protocol; a protocol knows of the call only its events.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from voice_host.call.events import CallEvent

Frame = str | bytes
"""A WebSocket message: text or binary."""

# --- what a client does -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Handshake:
    """What a connection brought along when it was made: the parameters of its address, and their size in bytes."""

    query: Mapping[str, str] = field(default_factory=dict)
    size: int = 0


@dataclass(frozen=True, slots=True)
class Opening:
    """The client has said all that is needed to begin: `metadata` about the call, and a token to resume one with."""

    metadata: Mapping[str, Any] = field(default_factory=dict)
    resume_token: str | None = None


@dataclass(frozen=True, slots=True)
class Audio:
    """Microphone audio, as a protocol reads it in its own format. What the call gets is PCM16 at the agent's rate."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Typed:
    """A typed turn."""

    text: str


@dataclass(frozen=True, slots=True)
class Stop:
    """The caller wants the agent to stop speaking."""


@dataclass(frozen=True, slots=True)
class Reset:
    """The caller wants the conversation to be forgotten."""


@dataclass(frozen=True, slots=True)
class Played:
    """So much of a reply's audio has been played. `paused`: no more is played until the reply is released."""

    reply: int
    played_ms: float
    paused: bool = False


@dataclass(frozen=True, slots=True)
class Dtmf:
    """A key of the telephone was pressed: 0 to 9, * or #."""

    digit: str


@dataclass(frozen=True, slots=True)
class Goodbye:
    """The client ends the call on purpose, within the protocol."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Frames that answer the client within the protocol, a ping for example. They do not concern the call."""

    frames: Sequence[Frame]


@dataclass(frozen=True, slots=True)
class Malformed:
    """The client sent something that is not the protocol. `message` is fit for the client."""

    message: str


ClientEvent = Opening | Audio | Typed | Stop | Reset | Played | Dtmf | Goodbye | Answer | Malformed

# --- how it is spoken to ----------------------------------------------------------------------------------------------


Encoding = Literal["pcm16", "mulaw", "alaw"]


@dataclass(frozen=True, slots=True)
class AudioFormat:
    """Mono audio on the wire.

    Attributes:
        encoding: `pcm16` is little-endian; the others are those of telephones (G.711).
        sample_rate: Hz; None: whatever the agent's speech services use.
        in_text: whether it travels within text frames, which then are limited as audio is.
    """

    encoding: Encoding = "pcm16"
    sample_rate: int | None = None
    in_text: bool = False


class ClientProtocol(Protocol):
    """One client's protocol, for one connection."""

    @property
    def microphone(self) -> AudioFormat:
        """What the client sends."""

    @property
    def speaker(self) -> AudioFormat:
        """What the client plays."""

    def subprotocol(self, offered: Sequence[str]) -> str | None:
        """Return the WebSocket subprotocol to accept among those the client offers; None: none of them."""

    def connected(self, handshake: Handshake) -> Sequence[ClientEvent]:
        """The connection was made. Returns an `Opening`, unless the client introduces itself in a message."""

    def receive(self, frame: Frame) -> Sequence[ClientEvent]:
        """Read a frame of the client. Frames of a kind that the protocol does not know give no event."""

    def tell(self, event: CallEvent) -> Sequence[Frame]:
        """Return what the client is told of an event; nothing, where the protocol has no words for it."""

    def speech(self, reply: int, data: bytes) -> Sequence[Frame]:
        """Return the frames of a reply's speech, which is in the format of `speaker`."""
