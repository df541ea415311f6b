"""What the turn engine is told (events) and what it wants done (actions)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Interruption = Literal["speech", "turn", "button", "reset", "end"]
"""What stopped a reply: the caller spoke over it, finished a turn, pressed the button, reset the conversation; or the
connection ended."""

# --- events -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class CallerSpeechStarted:
    """The caller's voice was detected."""


@dataclass(frozen=True, slots=True)
class CallerSpeechEnded:
    """The caller's voice fell silent."""


@dataclass(frozen=True, slots=True)
class PartialTranscript:
    """What has been recognised of a turn that goes on; `confidence` (0 to 1) that it has ended, if that is known."""

    text: str
    confidence: float | None = None


@dataclass(frozen=True, slots=True)
class TurnFinished:
    """The caller finished a turn, spoken or typed."""

    text: str
    typed: bool = False


@dataclass(frozen=True, slots=True)
class StopRequested:
    """The caller pressed the button."""


@dataclass(frozen=True, slots=True)
class ResetRequested:
    """The caller wants the conversation forgotten."""


@dataclass(frozen=True, slots=True)
class SpeechRequested:
    """The agent has something to say of itself: its greeting, or `Session.say`."""

    text: str
    greeting: bool = False


@dataclass(frozen=True, slots=True)
class HangUpRequested:
    """The agent wants to hang up once it has been heard out."""

    reason: str


@dataclass(frozen=True, slots=True)
class ReplyAudible:
    """The first audio of a reply went out."""

    reply: int


@dataclass(frozen=True, slots=True)
class ReplyTextComplete:
    """All text of a reply is known; its speech may take a while yet. `asks`: it ends with a question."""

    reply: int
    asks: bool = False


@dataclass(frozen=True, slots=True)
class ReplyEnded:
    """A reply was played to its end, or gave up after saying so."""

    reply: int


@dataclass(frozen=True, slots=True)
class ConnectionEnded:
    """Nobody is on the line any more."""


@dataclass(frozen=True, slots=True)
class ConnectionResumed:
    """A caller whose connection was lost is back.

    `unheard` is the rest of the reply that was under way, `unanswered` a turn that nothing was said to.
    """

    unheard: str = ""
    unanswered: str = ""


@dataclass(frozen=True, slots=True)
class TimePassed:
    """Nothing happened, but a deadline of the engine may have come."""


TurnEvent = (
    CallerSpeechStarted
    | CallerSpeechEnded
    | PartialTranscript
    | TurnFinished
    | StopRequested
    | ResetRequested
    | SpeechRequested
    | HangUpRequested
    | ReplyAudible
    | ReplyTextComplete
    | ReplyEnded
    | ConnectionEnded
    | ConnectionResumed
    | TimePassed
)

# --- actions ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Speculate:
    """Let the model begin on a turn that is not final: nothing may be said, run, reported or kept."""

    text: str


@dataclass(frozen=True, slots=True)
class DropSpeculation:
    """The turn became another one: throw away what was begun."""


@dataclass(frozen=True, slots=True)
class AnnounceTurn:
    """Tell everybody what the caller said."""

    text: str
    typed: bool


@dataclass(frozen=True, slots=True)
class StartReply:
    """Let the model answer `text`; `speculated`: with what was begun for it."""

    reply: int
    text: str
    speculated: bool = False


@dataclass(frozen=True, slots=True)
class StartSpeech:
    """Speak `text` as a reply of its own."""

    reply: int
    text: str
    greeting: bool = False


@dataclass(frozen=True, slots=True)
class ResumeReply:
    """Speak, as a reply of its own, what was not heard of the reply `interrupted`."""

    reply: int
    interrupted: int


@dataclass(frozen=True, slots=True)
class AppendSpeech:
    """Speak `text` within the reply that is under way."""

    reply: int
    text: str


@dataclass(frozen=True, slots=True)
class DropSpeech:
    """Too much waits to be said already: `text` will not be."""

    text: str


@dataclass(frozen=True, slots=True)
class HoldPlayout:
    """Send no audio of the reply for now: no more of it, or none yet."""

    reply: int


@dataclass(frozen=True, slots=True)
class ReleasePlayout:
    """Send audio again."""

    reply: int


@dataclass(frozen=True, slots=True)
class CancelReply:
    """The reply is dead: stop all that belongs to it, and tell the client."""

    reply: int
    by: Interruption


@dataclass(frozen=True, slots=True)
class ConfirmNothingToCancel:
    """The button was pressed while nothing was under way; `reply` is the last one there was, or 0."""

    reply: int


@dataclass(frozen=True, slots=True)
class ForgetConversation:
    """Clear the history."""


@dataclass(frozen=True, slots=True)
class HangUp:
    """End the call."""

    reason: str


TurnAction = (
    Speculate
    | DropSpeculation
    | AnnounceTurn
    | StartReply
    | StartSpeech
    | ResumeReply
    | AppendSpeech
    | DropSpeech
    | HoldPlayout
    | ReleasePlayout
    | CancelReply
    | ConfirmNothingToCancel
    | ForgetConversation
    | HangUp
)
