"""The events of a call, as plain records. `call/report.py` reports each of them once.

A closed union, like the events of the turn engine: client protocols, metrics, the log, callbacks and observers all get
the same records. No I/O, and no reference to the call.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from voice_host_sdk import CallAnswer
from voice_host_sdk.session import EndReason

ReplyKind = Literal["spoken", "typed", "own"]
"""What a reply answers: a spoken turn, a typed turn, or no turn at all (a greeting, `Session.say`, a nudge, the rest of
an interrupted reply)."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The call does not begin, and the connection is closed with `code`. `reason` is safe to show."""

    code: int
    reason: str


@dataclass(frozen=True, slots=True)
class Ready:
    """The call begins.

    Attributes:
        microphone_hz: sample rate of what the agent hears.
        speech_hz: sample rate of what it says.
        resume_token: resumes the session after a lost connection; None: sessions are not resumed.
        resumed: whether this call resumes a session.
        agent_version: of the agent's package, the release that answers; None: it comes from no package.
        greets: whether the agent begins with a greeting.
    """

    session_id: str
    agent_id: str
    microphone_hz: int
    speech_hz: int
    resume_token: str | None = None
    resumed: bool = False
    agent_version: str | None = None
    greets: bool = False


@dataclass(frozen=True, slots=True)
class CallerSpeechStarted:
    """The caller's voice was detected."""


@dataclass(frozen=True, slots=True)
class CallerSpeechEnded:
    """The caller stopped speaking."""


@dataclass(frozen=True, slots=True)
class Heard:
    """The caller's turn as recognised so far; `final` ends it."""

    text: str
    final: bool


@dataclass(frozen=True, slots=True)
class TurnCommitted:
    """A turn that the client has ended was recognised. `text` is empty if there were no words."""

    text: str


@dataclass(frozen=True, slots=True)
class AnswerWithdrawn:
    """The client no longer wants the answer that it has asked for, before a reply began."""


@dataclass(frozen=True, slots=True)
class TurnTaken:
    """The caller finished a turn, which will be answered."""

    text: str
    typed: bool


@dataclass(frozen=True, slots=True)
class ReplyBegun:
    """The model was asked for a reply to a turn."""

    reply: int


@dataclass(frozen=True, slots=True)
class ReplyText:
    """The next piece of a reply's text."""

    reply: int
    text: str


@dataclass(frozen=True, slots=True)
class ReplyComplete:
    """The whole text of a reply is known. `steps`: the tools that were used, for display."""

    reply: int
    text: str
    steps: tuple[str, ...] = ()
    greeting: bool = False


@dataclass(frozen=True, slots=True)
class ToolStarted:
    """A tool of the agent was started."""

    id: str
    name: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ToolFinished:
    """A tool ended.

    Attributes:
        late: it ended after the end of its reply, so the client is not told.
        timed_out: its time limit was exceeded.
    """

    id: str
    name: str
    arguments: Mapping[str, Any]
    ok: bool
    result: Any
    duration_ms: float
    late: bool = False
    timed_out: bool = False


@dataclass(frozen=True, slots=True)
class AnswerBrokenOff:
    """The model's service broke an answer off. `reason`: `content_filter` or `length`."""

    reason: str


@dataclass(frozen=True, slots=True)
class SpeechSent:
    """The last audio of a reply was sent."""

    reply: int


@dataclass(frozen=True, slots=True)
class ReplyHeld:
    """The caller began to speak over a reply: the client should pause its playback at once."""

    reply: int


@dataclass(frozen=True, slots=True)
class ReplyReleased:
    """The caller did not interrupt: the client should continue playback where it paused."""

    reply: int


@dataclass(frozen=True, slots=True)
class ReplyCut:
    """A reply was cut: its buffered audio must not be played.

    Also sent if the caller presses stop while there is no reply; then `reply` is the last one, or 0.

    Attributes:
        heard: the part of its text that was audible.
        input_tokens, output_tokens: of the model until then; 0 if its service has not told yet.
    """

    reply: int
    heard: str
    input_tokens: int = 0
    output_tokens: int = 0


@dataclass(frozen=True, slots=True)
class ReplyOver:
    """A reply was played to its end or cut.

    Attributes:
        how: `completed`, or `cancelled_by_` and the cause.
        heard: the part of `text` that was audible.
        stages_ms: when it reached its stages (`voice_host.call.latency`).
        input_tokens, output_tokens: of the model; 0 if its service did not tell.
    """

    reply: int
    kind: ReplyKind
    how: str
    text: str
    heard: str
    interrupted: bool
    stages_ms: Mapping[str, float] = field(default_factory=dict)
    input_tokens: int = 0
    output_tokens: int = 0


@dataclass(frozen=True, slots=True)
class ConversationReset:
    """The caller reset the conversation."""


@dataclass(frozen=True, slots=True)
class Problem:
    """A problem to report to the caller.

    Attributes:
        message: safe to show.
        fatal: the call ends.
        unanswered: because of it, a turn for which the client has asked for an answer gets none.
    """

    code: str
    message: str
    fatal: bool = False
    unanswered: bool = False


@dataclass(frozen=True, slots=True)
class LimitExceeded:
    """The client exceeded a limit: what it sent was dropped, or the call ends. `limit`: the setting's name."""

    limit: str


@dataclass(frozen=True, slots=True)
class SpeechSkipped:
    """Some seconds of a reply's speech were skipped because the client was too slow."""

    duration_s: float


@dataclass(frozen=True, slots=True)
class MicrophoneDropped:
    """Microphone audio was dropped because speech-to-text was too slow. `size`: in bytes."""

    size: int


@dataclass(frozen=True, slots=True)
class SayDropped:
    """A text of `Session.say` was dropped because too many were queued."""


@dataclass(frozen=True, slots=True)
class RecogniserLost:
    """A stream to speech-to-text failed, and another one is opened. `code`: the error code."""

    code: str


@dataclass(frozen=True, slots=True)
class ReplayDropped:
    """Audio was dropped because several streams to speech-to-text failed on it."""

    lines: int


@dataclass(frozen=True, slots=True)
class FinalMissing:
    """A final transcript did not arrive in time, so the last partial one became the turn."""


@dataclass(frozen=True, slots=True)
class VoiceFailedOver:
    """The fallback voice took over. `code`: the error code of the voice."""

    code: str


@dataclass(frozen=True, slots=True)
class KeyPressed:
    """The caller pressed a telephone key. It may be part of a PIN: it goes to the agent, and nowhere else."""

    digit: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Answered:
    """The carrier found out who answered an outbound call."""

    answer: CallAnswer


@dataclass(frozen=True, slots=True)
class CallOver:
    """The call ended; the connection is closed after this. `detail` is safe to show to the caller."""

    reason: EndReason
    detail: str = ""


CallEvent = (
    Refused
    | Ready
    | CallerSpeechStarted
    | CallerSpeechEnded
    | Heard
    | TurnCommitted
    | AnswerWithdrawn
    | TurnTaken
    | ReplyBegun
    | ReplyText
    | ReplyComplete
    | ToolStarted
    | ToolFinished
    | AnswerBrokenOff
    | SpeechSent
    | ReplyHeld
    | ReplyReleased
    | ReplyCut
    | ReplyOver
    | ConversationReset
    | Problem
    | LimitExceeded
    | SpeechSkipped
    | MicrophoneDropped
    | SayDropped
    | RecogniserLost
    | ReplayDropped
    | FinalMissing
    | VoiceFailedOver
    | KeyPressed
    | Answered
    | CallOver
)
