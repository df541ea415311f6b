"""The turn engine's input (events) and output (actions)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Interruption = Literal["speech", "turn", "button", "reset", "end"]
"""What cancelled a reply: the caller spoke over it, finished a turn, pressed stop or reset the conversation, or the
connection ended."""

# --- events -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class CallerSpeechStarted:
    """The caller began to speak."""


@dataclass(frozen=True, slots=True)
class CallerSpeechEnded:
    """The caller stopped speaking; the turn may continue."""


@dataclass(frozen=True, slots=True)
class PartialTranscript:
    """The transcript so far of an open turn; `confidence` (0 to 1) that it has ended, if known."""

    text: str
    confidence: float | None = None


@dataclass(frozen=True, slots=True)
class TurnFinished:
    """The caller finished a turn, spoken or typed.

    Attributes:
        asked: the client has asked for an answer to a spoken turn, as it does with each typed one. So it gets one, even
            if the agent speaks.
    """

    text: str
    typed: bool = False
    asked: bool = False


@dataclass(frozen=True, slots=True)
class StopRequested:
    """The caller pressed stop."""


@dataclass(frozen=True, slots=True)
class KeyPressed:
    """The caller pressed a telephone key."""


@dataclass(frozen=True, slots=True)
class ResetRequested:
    """The caller asked to forget the conversation."""


@dataclass(frozen=True, slots=True)
class SpeechRequested:
    """The agent wants to say something that is not an answer: its greeting, or `Session.say`."""

    text: str
    greeting: bool = False


@dataclass(frozen=True, slots=True)
class HangUpRequested:
    """The agent wants to hang up when it has finished speaking."""

    reason: str


@dataclass(frozen=True, slots=True)
class ReplyAudible:
    """The first audio of a reply was sent."""

    reply: int


@dataclass(frozen=True, slots=True)
class ReplyTextComplete:
    """All text of a reply is known, though not yet spoken. `asks`: it ends with a question."""

    reply: int
    asks: bool = False


@dataclass(frozen=True, slots=True)
class ReplyEnded:
    """A reply was played to its end, or failed."""

    reply: int


@dataclass(frozen=True, slots=True)
class ConnectionEnded:
    """The connection is gone."""


@dataclass(frozen=True, slots=True)
class ConnectionResumed:
    """A caller whose connection was lost is back.

    `unheard` is the rest of the reply that was interrupted, `unanswered` a turn of which no answer was heard.
    """

    unheard: str = ""
    unanswered: str = ""


@dataclass(frozen=True, slots=True)
class TimePassed:
    """A deadline of the engine may have passed."""


TurnEvent = (
    CallerSpeechStarted
    | CallerSpeechEnded
    | PartialTranscript
    | TurnFinished
    | StopRequested
    | KeyPressed
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
    """Let the model begin on a turn that is not final: nothing is spoken, no tool runs, nothing is reported or kept."""

    text: str


@dataclass(frozen=True, slots=True)
class DropSpeculation:
    """The turn turned out differently: discard the speculation."""


@dataclass(frozen=True, slots=True)
class AnnounceTurn:
    """Report what the caller said to client, callbacks and observers."""

    text: str
    typed: bool


@dataclass(frozen=True, slots=True)
class StartReply:
    """Let the model answer `text`; `speculated`: by the speculation under way."""

    reply: int
    text: str
    speculated: bool = False


@dataclass(frozen=True, slots=True)
class StartSpeech:
    """Speak `text` as a separate reply."""

    reply: int
    text: str
    greeting: bool = False


@dataclass(frozen=True, slots=True)
class ResumeReply:
    """Speak the unheard rest of the reply `interrupted` as a separate reply."""

    reply: int
    interrupted: int


@dataclass(frozen=True, slots=True)
class AppendSpeech:
    """Speak `text` as part of the current reply."""

    reply: int
    text: str


@dataclass(frozen=True, slots=True)
class DropSpeech:
    """Too many sentences are waiting: `text` is not spoken."""

    text: str


@dataclass(frozen=True, slots=True)
class HoldPlayout:
    """Pause sending audio of the reply, or do not begin yet."""

    reply: int


@dataclass(frozen=True, slots=True)
class UnholdPlayout:
    """Continue sending audio of the reply."""

    reply: int


@dataclass(frozen=True, slots=True)
class CancelReply:
    """Stop everything that belongs to the reply, and tell the client."""

    reply: int
    by: Interruption


@dataclass(frozen=True, slots=True)
class ConfirmNothingToCancel:
    """Stop was pressed while no reply was under way; `reply` is the last one, or 0."""

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
    | UnholdPlayout
    | CancelReply
    | ConfirmNothingToCancel
    | ForgetConversation
    | HangUp
)
