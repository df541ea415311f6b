"""Who speaks when: a state machine without I/O, without tasks and without a clock of its own.

Events go in with the time they happened, actions come out, to be carried out in order; `deadline_s` says when to come
back if nothing happens. Every reply has a generation id; whatever arrives for a generation that is not the current one
is ignored here, by number and never by luck. `docs/architecture.md` shows the states.
"""

from __future__ import annotations

from enum import Enum

from voice_host.session.silence import CallerSilence
from voice_host.session.speculation import SpeculatedTurn
from voice_host.session.turn_events import (
    AnnounceTurn,
    AppendSpeech,
    CallerSpeechEnded,
    CallerSpeechStarted,
    CancelReply,
    ConfirmNothingToCancel,
    ConnectionEnded,
    ConnectionResumed,
    DropSpeech,
    ForgetConversation,
    HangUp,
    HangUpRequested,
    HoldPlayout,
    Interruption,
    PartialTranscript,
    ReleasePlayout,
    ReplyAudible,
    ReplyEnded,
    ReplyTextComplete,
    ResetRequested,
    ResumeReply,
    SpeechRequested,
    StartReply,
    StartSpeech,
    StopRequested,
    TimePassed,
    TurnAction,
    TurnEvent,
    TurnFinished,
)
from voice_host_sdk import SilenceConfig, TurnConfig

WORDS_TIMEOUT_S = 1.2
"""How long a hold waits for words where the recogniser does not report the end of speech: the slowest first partial
that was seen in the field comes 1.2 s after the onset."""

MAX_TO_SAY = 8
"""Sentences of `Session.say` that wait for the reply under way to end; further ones are dropped."""

MAX_DEFERRED_CHARACTERS = 1000
"""What is kept of speech that did not stop the agent; older words go first."""


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
        silence: what happens when nobody speaks. Default: nothing does.
        hears_speech_end: whether the recogniser reports `CallerSpeechEnded`. Without it sustained speech cannot be
            told from a cough, so only recognised words stop the agent, and a hold without words is let go.
        start_s: when the call began, by the clock of the events.
    """

    def __init__(
        self,
        config: TurnConfig,
        silence: SilenceConfig | None = None,
        *,
        hears_speech_end: bool = True,
        start_s: float = 0.0,
    ) -> None:
        self._config = config
        self._hears_speech_end = hears_speech_end
        self._silence = CallerSilence(silence, start_s)
        self._speculated = SpeculatedTurn(config.speculation_confidence)
        self._hang_up: str | None = None
        self._deferred = ""  # said over the agent without stopping it; belongs to the caller's next turn
        self._to_say: list[str] = []
        self._text_complete = False
        self._caller_speaks = False
        self._hold_until_s: float | None = None
        self._resume_at_s: float | None = None
        self.state = TurnState.LISTENING
        self.reply = 0
        """Generation id of the current or, while listening, the last reply; 0 before the first."""

    @property
    def deadline_s(self) -> float | None:
        """When `TimePassed` is due if nothing else happens before; None: never."""
        quiet = self._silence.deadline_s(listening=self.state is TurnState.LISTENING)
        return min((at for at in (self._hold_until_s, self._resume_at_s, quiet) if at is not None), default=None)

    @property
    def unfinished(self) -> bool:
        """Whether a reply is under way, or was cut and is to be resumed."""
        return self.state is not TurnState.LISTENING or self._resume_at_s is not None

    @property
    def text_complete(self) -> bool:
        """Whether all text of the current reply is known."""
        return self._text_complete

    def handle(self, event: TurnEvent, now_s: float) -> list[TurnAction]:
        """Take one event, in the order of their times, and return what is to be done about it."""
        match event:
            case CallerSpeechStarted():
                self._caller_speaks = True
                return self._onset(now_s)
            case CallerSpeechEnded():
                self._caller_speaks = False
                self._silence.broken(now_s)
                return self._release()
            case PartialTranscript(text, confidence):
                return self._partial(text, confidence, now_s)
            case TurnFinished(text, typed):
                return self._turn(text, typed, now_s)
            case StopRequested():
                self._silence.broken(now_s)
                return self._stop()
            case ResetRequested():
                self._silence.broken(now_s)
                self._deferred = ""
                return [*self._cancel("reset"), *self._speculated.drop(), ForgetConversation()]
            case SpeechRequested(text, greeting):
                return self._say(text, greeting)
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
                return self._ended(reply, now_s)
            case ConnectionEnded():
                return self._leave()
            case ConnectionResumed(unheard, unanswered):
                return self._come_back(unheard, unanswered, now_s)
            case TimePassed():
                return self._time_passed(now_s)

    # --- the caller speaks ----------------------------------------------------------------------------------------

    def _onset(self, now_s: float) -> list[TurnAction]:
        self._silence.broken(now_s)
        self._put_off_resuming(now_s)
        # Only while the agent is audible: thinking is not speaking.
        if not self._config.barge_in or self.state is not TurnState.SPEAKING:
            return []
        self.state = TurnState.HOLDING
        self._hold_until_s = now_s + self._hold_s
        return [HoldPlayout(self.reply)]

    @property
    def _hold_s(self) -> float:
        return self._config.barge_in_min_speech_ms / 1000 if self._hears_speech_end else WORDS_TIMEOUT_S

    def _partial(self, text: str, confidence: float | None, now_s: float) -> list[TurnAction]:
        if not text.strip():
            return []
        self._silence.broken(now_s)
        self._put_off_resuming(now_s)
        if self.state is TurnState.LISTENING:
            return self._speculated.partial(self._with_deferred(text), confidence)
        if not self._config.barge_in or self.state is TurnState.THINKING:
            return []
        if len(text.split()) >= self._config.barge_in_min_words:
            return self._interrupt(now_s)
        return self._onset(now_s)

    def _interrupt(self, now_s: float) -> list[TurnAction]:
        actions = self._cancel("speech")
        if self._config.false_interruption_ms is not None:
            self._resume_at_s = now_s + self._config.false_interruption_ms / 1000
        return actions

    def _put_off_resuming(self, now_s: float) -> None:
        if self._resume_at_s is not None and self._config.false_interruption_ms is not None:
            self._resume_at_s = now_s + self._config.false_interruption_ms / 1000

    def _release(self) -> list[TurnAction]:
        if self.state is not TurnState.HOLDING:
            return []
        self.state = TurnState.SPEAKING
        self._hold_until_s = None
        return [ReleasePlayout(self.reply)]

    # --- turns ----------------------------------------------------------------------------------------------------

    def _turn(self, text: str, typed: bool, now_s: float) -> list[TurnAction]:
        if not text.strip():
            return self._release()
        self._silence.broken(now_s)
        if self._is_below_threshold(text, typed):
            self._deferred = self._with_deferred(text)[-MAX_DEFERRED_CHARACTERS:]
            return self._release()
        cancelled = self._cancel("turn")
        return [*cancelled, *self._answer(self._with_deferred(text), typed)]

    def _is_below_threshold(self, text: str, typed: bool) -> bool:
        """A spoken "uh-huh" over an audible agent is no turn yet, nor is anything where barge-in is off."""
        if typed or self.state not in (TurnState.SPEAKING, TurnState.HOLDING):
            return False
        return not self._config.barge_in or len(text.split()) < self._config.barge_in_min_words

    def _with_deferred(self, text: str) -> str:
        return f"{self._deferred} {text}".strip()

    def _answer(self, text: str, typed: bool) -> list[TurnAction]:
        self._deferred = ""
        actions, speculated = self._speculated.commit(text)
        return [*actions, AnnounceTurn(text, typed), StartReply(self._begin(), text, speculated)]

    # --- replies --------------------------------------------------------------------------------------------------

    def _begin(self) -> int:
        self.reply += 1
        self.state = TurnState.THINKING
        self._text_complete = False
        self._resume_at_s = None
        return self.reply

    def _say(self, text: str, greeting: bool) -> list[TurnAction]:
        if not text.strip():
            return []
        if self.state is TurnState.LISTENING:
            reply = self._begin()
            self._text_complete = True
            return [*self._speculated.drop(), StartSpeech(reply, text, greeting)]
        if not self._text_complete:
            return [AppendSpeech(self.reply, text)]
        if len(self._to_say) >= MAX_TO_SAY:
            return [DropSpeech(text)]
        self._to_say.append(text)
        return []

    def _stop(self) -> list[TurnAction]:
        cancelled = self._cancel("button")
        if cancelled and self._deferred and not self._config.barge_in:
            return [*cancelled, *self._answer(self._deferred, typed=False)]
        return cancelled or [ConfirmNothingToCancel(self.reply)]

    def _cancel(self, by: Interruption) -> list[TurnAction]:
        self._resume_at_s = None
        if self.state is TurnState.LISTENING:
            return []
        self._to_say.clear()
        self._hang_up = None  # whoever interrupts does not want to be hung up on
        self._listen()
        return [CancelReply(self.reply, by)]

    def _leave(self) -> list[TurnAction]:
        self._caller_speaks = False
        waiting, hang_up = self._to_say[:], self._hang_up
        cancelled = self._cancel("end")
        self._to_say, self._hang_up = waiting, hang_up  # nobody interrupted: what was to come still is
        return [*cancelled, *self._speculated.drop()]

    def _come_back(self, unheard: str, unanswered: str, now_s: float) -> list[TurnAction]:
        self._silence.broken(now_s)
        if unanswered:
            return [StartReply(self._begin(), unanswered)]
        return self._say(unheard, greeting=False) or self._after_reply()

    def _ended(self, reply: int, now_s: float) -> list[TurnAction]:
        if reply != self.reply or self.state is TurnState.LISTENING:
            return []
        self._silence.begins(now_s)
        self._listen()
        return self._after_reply()

    def _after_reply(self) -> list[TurnAction]:
        if self._to_say:
            return self._say(self._to_say.pop(0), greeting=False)
        if self._hang_up is not None:
            return [HangUp(self._hang_up)]
        if self._deferred and not self._config.barge_in:
            return self._answer(self._deferred, typed=False)
        return []

    def _listen(self) -> None:
        self.state = TurnState.LISTENING
        self._hold_until_s = None

    def _hang_up_after_playout(self, reason: str) -> list[TurnAction]:
        if self.state is TurnState.LISTENING:
            return [HangUp(reason)]
        self._hang_up = reason
        return []

    # --- time -----------------------------------------------------------------------------------------------------

    def _time_passed(self, now_s: float) -> list[TurnAction]:
        if self._hold_until_s is not None and now_s >= self._hold_until_s:
            # A recogniser's words may come late, after the cough they stand for.
            sustained = self._hears_speech_end and self._caller_speaks
            return self._interrupt(now_s) if sustained else self._release()
        if self._resume_at_s is not None and now_s >= self._resume_at_s:
            interrupted, resumed = self.reply, self._begin()
            self._text_complete = True
            return [*self._speculated.drop(), ResumeReply(resumed, interrupted)]
        listening = self.state is TurnState.LISTENING
        if (reason := self._silence.over(now_s, listening=listening)) is not None:
            return [HangUp(reason)]
        if listening and (nudge := self._silence.nudge(now_s)) is not None:
            return self._say(nudge, greeting=False)
        return []
