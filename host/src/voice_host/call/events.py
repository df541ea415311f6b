"""What happens in a call, as plain records. `call/report.py` reports each of them once.

A closed union, like the events of the turn engine: client protocols, metrics, the log, callbacks and observers all get
the same records. No I/O, and no reference to the call.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from voice_host_sdk.session import EndReason

ReplyKind = Literal["spoken", "typed", "own"]
"""What a reply answers: a spoken turn, a typed turn, or no turn at all (a greeting, `Session.say`, a nudge, the rest of
an interrupted reply)."""


@dataclass(frozen=True, slots=True)
class Ready:
    """The call begins.

    Attributes:
        microphone_hz: sample rate of what the agent hears.
        speech_hz: sample rate of what it says.
        resume_token: what a caller whose connection is lost comes back with; None: not at all.
        resumed: whether the caller came back.
    """

    session_id: str
    agent_id: str
    microphone_hz: int
    speech_hz: int
    resume_token: str | None = None
    resumed: bool = False


@dataclass(frozen=True, slots=True)
class CallerSpeechStarted:
    """The caller's voice was detected."""


@dataclass(frozen=True, slots=True)
class CallerSpeechEnded:
    """The caller's voice fell silent."""


@dataclass(frozen=True, slots=True)
class Heard:
    """The caller's turn as recognised so far; `final` ends it."""

    text: str
    final: bool


@dataclass(frozen=True, slots=True)
class TurnTaken:
    """The caller finished a turn that is going to be answered."""

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
    """The whole text of a reply is known. `steps`: what the agent did for it, in words."""

    reply: int
    text: str
    steps: tuple[str, ...] = ()
    greeting: bool = False


@dataclass(frozen=True, slots=True)
class ToolStarted:
    """A tool of the agent runs."""

    id: str
    name: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ToolFinished:
    """A tool ended.

    Attributes:
        late: it ended after the reply it ran for was over, so that the client is not told.
        timed_out: it was given up at its time limit.
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
    """The caller began to speak over a reply: its playback is to pause at once."""

    reply: int


@dataclass(frozen=True, slots=True)
class ReplyReleased:
    """It was no interruption: the playback of the reply goes on where it paused."""

    reply: int


@dataclass(frozen=True, slots=True)
class ReplyCut:
    """A reply was cut: what is buffered of its audio must not be played. `heard`: what was audible of it.

    Also the answer to a caller who stops the agent when it says nothing; then `reply` is the last one there was, or 0.
    """

    reply: int
    heard: str


@dataclass(frozen=True, slots=True)
class ReplyOver:
    """A reply was played to its end or cut.

    Attributes:
        how: `completed`, or `cancelled_by_` and what cut it.
        heard: the part of `text` that was audible.
        stages_ms: when it reached its stages (`voice_host.call.latency`).
    """

    reply: int
    kind: ReplyKind
    how: str
    text: str
    heard: str
    interrupted: bool
    stages_ms: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ConversationReset:
    """The conversation was forgotten, as the caller asked."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Something went wrong. `message` is fit for the caller; `fatal`: the call ends."""

    code: str
    message: str
    fatal: bool = False


@dataclass(frozen=True, slots=True)
class LimitExceeded:
    """The client is over a limit: what it sent was dropped, or the call ends. `limit`: the setting's name."""

    limit: str


@dataclass(frozen=True, slots=True)
class SpeechSkipped:
    """The client was too slow: so many seconds of a reply's speech were skipped."""

    duration_s: float


@dataclass(frozen=True, slots=True)
class MicrophoneDropped:
    """Speech-to-text was too slow: microphone audio was dropped. `size`: bytes."""

    size: int


@dataclass(frozen=True, slots=True)
class SayDropped:
    """Too much waits to be said already: a text of `Session.say` was dropped."""


@dataclass(frozen=True, slots=True)
class RecogniserLost:
    """A connection to speech-to-text failed, and another one is opened. `code`: of the error."""

    code: str


@dataclass(frozen=True, slots=True)
class ReplayDropped:
    """Several connections to speech-to-text failed on the same audio, so it is not sent again."""

    lines: int


@dataclass(frozen=True, slots=True)
class FinalMissing:
    """Speech-to-text did not finish a turn in time: the last words it recognised were taken for it."""


@dataclass(frozen=True, slots=True)
class VoiceFailedOver:
    """The fallback voice took over. `code`: of the voice's error."""

    code: str


@dataclass(frozen=True, slots=True)
class CallOver:
    """The call ends, and the connection is closed after this. `detail` is fit for the caller."""

    reason: EndReason
    detail: str = ""


CallEvent = (
    Ready
    | CallerSpeechStarted
    | CallerSpeechEnded
    | Heard
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
    | CallOver
)
