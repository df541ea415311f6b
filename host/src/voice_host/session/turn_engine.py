"""Who speaks when: a state machine without I/O, without tasks and without a clock of its own.

Events go in with the time they happened, actions come out, to be carried out in order. Every reply has a generation id;
whatever arrives for a generation that is no longer the current one is ignored here, by number and never by luck.
`docs/architecture.md` shows the states.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Literal

from voice_host_sdk import TurnConfig

# --- what happens -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class CallerSpeechStarted:
    """The caller's voice was detected."""


@dataclass(frozen=True, slots=True)
class CallerSpeechEnded:
    """The caller's voice fell silent."""


@dataclass(frozen=True, slots=True)
class PartialTranscript:
    """What has been recognised of a turn that goes on."""

    text: str


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
    """All text of a reply is known; its speech may take a while yet."""

    reply: int


@dataclass(frozen=True, slots=True)
class ReplyEnded:
    """A reply was played to its end, or gave up after saying so."""

    reply: int


@dataclass(frozen=True, slots=True)
class TimerExpired:
    """The time of the last `SetTimer` has come."""


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
    | TimerExpired
)

# --- what is to be done -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class AnnounceTurn:
    """Tell everybody what the caller said."""

    text: str
    typed: bool


@dataclass(frozen=True, slots=True)
class StartReply:
    """Let the model answer `text`."""

    reply: int
    text: str


@dataclass(frozen=True, slots=True)
class StartSpeech:
    """Speak `text` as a reply of its own."""

    reply: int
    text: str
    greeting: bool


@dataclass(frozen=True, slots=True)
class AppendSpeech:
    """Speak `text` within the reply that is under way."""

    reply: int
    text: str


@dataclass(frozen=True, slots=True)
class HoldPlayout:
    """Send no more audio of the reply for now."""

    reply: int


@dataclass(frozen=True, slots=True)
class ReleasePlayout:
    """Go on sending."""

    reply: int


@dataclass(frozen=True, slots=True)
class CancelReply:
    """The reply is dead: stop all that belongs to it, and tell the client. `by`: what the caller did."""

    reply: int
    by: Literal["speech", "turn", "button", "reset"]


@dataclass(frozen=True, slots=True)
class ConfirmNothingToCancel:
    """The button was pressed while nothing was under way; `reply` is the last one there was, or 0."""

    reply: int


@dataclass(frozen=True, slots=True)
class ForgetConversation:
    """Clear the history."""


@dataclass(frozen=True, slots=True)
class SetTimer:
    """Send `TimerExpired` at `at_s`; replaces the timer before, None clears it."""

    at_s: float | None


@dataclass(frozen=True, slots=True)
class HangUp:
    """End the call."""

    reason: str


TurnAction = (
    AnnounceTurn
    | StartReply
    | StartSpeech
    | AppendSpeech
    | HoldPlayout
    | ReleasePlayout
    | CancelReply
    | ConfirmNothingToCancel
    | ForgetConversation
    | SetTimer
    | HangUp
)


class TurnState(Enum):
    """Where the conversation stands."""

    LISTENING = "listening"
    """No reply is under way."""

    THINKING = "thinking"
    """A reply is under way and not audible yet."""

    SPEAKING = "speaking"
    """The reply is audible."""

    HOLDING = "holding"
    """The reply was audible and is held, because the caller began to speak over it."""


class TurnEngine:
    """The turn-taking of one call.

    Args:
        config: the agent's manners.
        hears_speech_end: whether the recogniser reports `CallerSpeechEnded`. Without it sustained speech cannot be
            told from a cough, so only recognised words stop the agent, and a hold without words is let go.
    """

    def __init__(self, config: TurnConfig, *, hears_speech_end: bool = True) -> None:
        self._config = config
        self._hears_speech_end = hears_speech_end
        self._hang_up: str | None = None
        self._deferred = ""  # said over the agent without stopping it; belongs to the caller's next turn
        self._to_say: list[str] = []
        self._text_complete = False
        self.state = TurnState.LISTENING
        self.reply = 0
        """Generation id of the current or, while listening, the last reply; 0 before the first."""

    def handle(self, event: TurnEvent, now_s: float) -> list[TurnAction]:
        """Take one event, in the order of their times, and return what is to be done about it."""
        match event:
            case CallerSpeechStarted():
                return self._onset(now_s)
            case CallerSpeechEnded():
                return self._release()
            case PartialTranscript(text):
                return self._partial(text, now_s)
            case TurnFinished(text, typed):
                return self._turn(text, typed)
            case StopRequested():
                return self._stop()
            case ResetRequested():
                self._deferred = ""
                return [*self._cancel("reset"), ForgetConversation()]
            case SpeechRequested(text, greeting):
                return self._speak(text, greeting)
            case HangUpRequested(reason):
                return self._hang_up_after_playout(reason)
            case ReplyAudible(reply):
                if reply == self.reply and self.state is TurnState.THINKING:
                    self.state = TurnState.SPEAKING
                return []
            case ReplyTextComplete(reply):
                self._text_complete = self._text_complete or reply == self.reply
                return []
            case ReplyEnded(reply):
                return self._ended(reply)
            case TimerExpired():
                return self._hold_is_over()

    # --- the caller speaks over the agent -----------------------------------------------------------------------

    def _onset(self, now_s: float) -> list[TurnAction]:
        # Only while the agent is audible: thinking is not speaking.
        if not self._config.barge_in or self.state is not TurnState.SPEAKING:
            return []
        self.state = TurnState.HOLDING
        return [HoldPlayout(self.reply), SetTimer(now_s + self._hold_s)]

    @property
    def _hold_s(self) -> float:
        if self._hears_speech_end:
            return self._config.barge_in_min_speech_ms / 1000
        return WORDS_TIMEOUT_S

    def _partial(self, text: str, now_s: float) -> list[TurnAction]:
        if not self._config.barge_in or self.state not in (TurnState.SPEAKING, TurnState.HOLDING):
            return []
        if len(text.split()) >= self._config.barge_in_min_words:
            return self._cancel("speech")
        return self._onset(now_s) if text.strip() else []

    def _release(self) -> list[TurnAction]:
        if self.state is not TurnState.HOLDING:
            return []
        self.state = TurnState.SPEAKING
        return [SetTimer(None), ReleasePlayout(self.reply)]

    def _hold_is_over(self) -> list[TurnAction]:
        if self.state is not TurnState.HOLDING:
            return []
        return self._cancel("speech") if self._hears_speech_end else self._release()

    # --- turns and replies --------------------------------------------------------------------------------------

    def _turn(self, text: str, typed: bool) -> list[TurnAction]:
        if not text.strip():
            return self._release()
        if self._is_below_threshold(text, typed):
            self._deferred = f"{self._deferred} {text}".strip()
            return self._release()
        cancelled = self._cancel("turn")
        return [*cancelled, *self._answer(f"{self._deferred} {text}".strip(), typed)]

    def _answer(self, text: str, typed: bool) -> list[TurnAction]:
        self._deferred = ""
        self._begin()
        return [AnnounceTurn(text, typed), StartReply(self.reply, text)]

    def _is_below_threshold(self, text: str, typed: bool) -> bool:
        """A spoken "uh-huh" over an audible agent is no turn yet, nor is anything where barge-in is off."""
        if typed or self.state not in (TurnState.SPEAKING, TurnState.HOLDING):
            return False
        return not self._config.barge_in or len(text.split()) < self._config.barge_in_min_words

    def _speak(self, text: str, greeting: bool) -> list[TurnAction]:
        if not text.strip():
            return []
        if self.state is TurnState.LISTENING:
            self._begin()
            return [StartSpeech(self.reply, text, greeting)]
        if not self._text_complete:
            return [AppendSpeech(self.reply, text)]
        if len(self._to_say) < MAX_TO_SAY:
            self._to_say.append(text)
        return []

    def _begin(self) -> None:
        self.reply += 1
        self.state = TurnState.THINKING
        self._text_complete = False

    def _stop(self) -> list[TurnAction]:
        return self._cancel("button") or [ConfirmNothingToCancel(self.reply)]

    def _cancel(self, by: Literal["speech", "turn", "button", "reset"]) -> list[TurnAction]:
        if self.state is TurnState.LISTENING:
            return []
        timer: list[TurnAction] = [SetTimer(None)] if self.state is TurnState.HOLDING else []
        self.state = TurnState.LISTENING
        self._to_say.clear()
        self._hang_up = None  # whoever interrupts does not want to be hung up on
        return [*timer, CancelReply(self.reply, by)]

    def _ended(self, reply: int) -> list[TurnAction]:
        if reply != self.reply or self.state is TurnState.LISTENING:
            return []
        timer: list[TurnAction] = [SetTimer(None)] if self.state is TurnState.HOLDING else []
        self.state = TurnState.LISTENING
        if self._to_say:
            return [*timer, *self._speak(self._to_say.pop(0), greeting=False)]
        if self._hang_up is not None:
            return [*timer, HangUp(self._hang_up)]
        if self._deferred and not self._config.barge_in:
            return [*timer, *self._answer(self._deferred, typed=False)]
        return timer

    def _hang_up_after_playout(self, reason: str) -> list[TurnAction]:
        if self.state is TurnState.LISTENING:
            return [HangUp(reason)]
        self._hang_up = reason
        return []


WORDS_TIMEOUT_S = 1.2
"""How long a hold waits for words where the recogniser does not report the end of speech: the slowest first partial
that was seen in the field comes 1.2 s after the onset."""

MAX_TO_SAY = 8
"""Sentences of `Session.say` that wait for the reply under way to end; further ones are dropped."""
