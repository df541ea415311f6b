"""Turn-taking as a state machine, without I/O, tasks or a clock.

Events come with the time they happened; the actions returned are to be carried out in order. `deadline_s` says when to
send `TimePassed` if nothing else happens. Every reply has a generation id, and events of any reply but the current one
are ignored. `docs/architecture.md` shows the states and transitions.
"""

from __future__ import annotations

import math
from enum import Enum

from voice_host.turns.caller_voice import WORDS_TIMEOUT_S, CallerVoice
from voice_host.turns.caller_words import BargeInWords, asks, has_word
from voice_host.turns.events import (
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
    KeyPressed,
    PartialTranscript,
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
    UnholdPlayout,
)
from voice_host.turns.silence import CallerSilence
from voice_host.turns.snapshot import TurnSnapshot
from voice_host.turns.speculation import SpeculatedTurn
from voice_host_sdk import SilenceConfig, TurnConfig

ANSWER_WINDOW_S = 1.0
"""A back-channel ("yeah") that is final within this time before the end of the agent's question answers it."""

MAX_TO_SAY = 8
"""Sentences of `Session.say` that may wait for the current reply to end; further ones are dropped."""

MAX_DEFERRED_CHARACTERS = 1000
"""Of speech that did not interrupt the agent, kept for the caller's next turn. The oldest words are dropped first."""


class TurnState(Enum):
    """The state of the conversation."""

    LISTENING = "listening"
    """No reply is under way."""

    THINKING = "thinking"
    """A reply is under way and not yet audible."""

    WAITING = "waiting"
    """As `THINKING`, while the caller is speaking: the reply must not become audible before the caller stops."""

    SPEAKING = "speaking"
    """The reply is audible."""

    HOLDING = "holding"
    """The audible reply is paused, because the caller began to speak over it."""


class TurnEngine:
    """The turn-taking of one call.

    Args:
        config: the agent's turn-taking settings.
        silence: what happens when nobody speaks; default: nothing.
        reports_speech_end: whether the recogniser reports `CallerSpeechEnded`. Without it, sustained speech cannot be
            told from a cough: only recognised words interrupt the agent, and a hold without words ends.
        final_within_s: how long after the last partial transcript or the end of speech the final transcript may come.
        start_s: when the call began, by the clock of the events.
    """

    def __init__(
        self,
        config: TurnConfig,
        silence: SilenceConfig | None = None,
        *,
        reports_speech_end: bool = True,
        final_within_s: float = 4.0,
        start_s: float = 0.0,
    ) -> None:
        self._config = config
        self._reports_speech_end = reports_speech_end
        self._silence = CallerSilence(silence, start_s)
        self._speculated = SpeculatedTurn(config.speculation_confidence)
        self._hang_up: str | None = None
        self._words = BargeInWords(config)
        self._voice = CallerVoice(reports_speech_end=reports_speech_end, final_within_s=final_within_s)
        self._deferred = ""  # said over the agent without interrupting it; part of the caller's next turn
        self._awaits_answer = False  # words that are no back-channel were said over the reply
        self._answers_until_s = -math.inf  # a back-channel answers the reply if it ends, with a question, by then
        self._asks = False  # the current or last reply ends with a question
        self._ignores_backchannels = False  # a back-channel does not replace the reply that is being made
        self._to_say: list[str] = []
        self._text_complete = False
        self._hold_until_s: float | None = None
        self._resume_at_s: float | None = None
        self.state = TurnState.LISTENING
        self.reply = 0
        """Generation id of the current reply, or of the last one while listening; 0 before the first."""

    @property
    def deadline_s(self) -> float | None:
        """When `TimePassed` is due unless an event comes first; None: never."""
        silent = self._voice.silent_at_s
        waits = self.state is TurnState.WAITING or (self._hang_up is not None and self.state is TurnState.LISTENING)
        quiet = self._silence.deadline_s(listening=self.state is TurnState.LISTENING)
        resume = None if self._resume_at_s is None else max(self._resume_at_s, silent or -math.inf)
        deadlines = (self._hold_until_s, resume, quiet, silent if waits else None)
        return min((at for at in deadlines if at is not None), default=None)

    @property
    def unfinished(self) -> bool:
        """Whether a reply is under way, or was interrupted and may be resumed."""
        return self.state is not TurnState.LISTENING or self._resume_at_s is not None

    @property
    def text_complete(self) -> bool:
        """Whether all text of the current reply is known."""
        return self._text_complete

    def snapshot(self, origin_s: float) -> TurnSnapshot:
        """Return the state that outlives the connection, with times relative to `origin_s`.

        It excludes the current reply, the caller's speech and speculation, which end with the connection.
        """
        return TurnSnapshot(
            reply=self.reply,
            silence=self._silence.snapshot(origin_s),
            deferred=self._deferred,
            asks=self._asks,
            awaits_answer=self._awaits_answer,
            answers_until_s=None if self._answers_until_s == -math.inf else self._answers_until_s - origin_s,
            to_say=tuple(self._to_say),
            hang_up=self._hang_up,
        )

    def restore(self, snapshot: TurnSnapshot, origin_s: float) -> None:
        """Continue from a snapshot, whose times are relative to `origin_s`. Call it before the first event."""
        self.reply = snapshot.reply
        self._silence.restore(snapshot.silence, origin_s)
        self._deferred = snapshot.deferred
        self._asks = snapshot.asks
        self._awaits_answer = snapshot.awaits_answer
        until_s = snapshot.answers_until_s
        self._answers_until_s = -math.inf if until_s is None else origin_s + until_s
        self._to_say = list(snapshot.to_say)
        self._hang_up = snapshot.hang_up

    def handle(self, event: TurnEvent, now_s: float) -> list[TurnAction]:
        """Handle one event, in chronological order, and return the actions to carry out."""
        match event:
            case CallerSpeechStarted():
                self._voice.started(now_s)
                return self._onset(now_s)
            case CallerSpeechEnded():
                self._voice.ended(now_s)
                self._silence.caller_active(now_s)
                return self._unhold()
            case PartialTranscript(text, confidence):
                return self._partial(text, confidence, now_s)
            case TurnFinished():
                return self._turn(event, now_s)
            case KeyPressed():
                self._silence.caller_active(now_s)
                return []
            case StopRequested():
                self._silence.caller_active(now_s)
                return self._stop(now_s)
            case ResetRequested():
                self._silence.caller_active(now_s)
                self._deferred = ""
                return [*self._cancel("reset"), *self._speculated.drop(), ForgetConversation()]
            case SpeechRequested(text, greeting):
                return self._say(text, now_s, greeting=greeting)
            case HangUpRequested(reason):
                return self._hang_up_after_playout(reason, now_s)
            case ReplyAudible(reply):
                return self._audible(now_s) if reply == self.reply else []
            case ReplyTextComplete(reply, asks_something):
                if reply == self.reply:
                    self._text_complete, self._asks = True, asks_something
                return []
            case ReplyEnded(reply):
                return self._ended(reply, now_s)
            case ConnectionEnded():
                return self._suspend()
            case ConnectionResumed(unheard, unanswered):
                return self._resume_call(unheard, unanswered, now_s)
            case TimePassed():
                return self._time_passed(now_s)

    # --- the caller speaks ----------------------------------------------------------------------------------------

    def _onset(self, now_s: float) -> list[TurnAction]:
        self._silence.caller_active(now_s)
        self._postpone_resuming(now_s)
        if self.state is TurnState.THINKING:
            return self._wait_for_caller(now_s)
        if not self._config.barge_in or self.state is not TurnState.SPEAKING:
            return []
        self._hold(now_s)
        return [HoldPlayout(self.reply)]

    def _hold(self, now_s: float) -> None:
        self.state = TurnState.HOLDING
        hold_s = self._config.barge_in_min_speech_ms / 1000 if self._reports_speech_end else WORDS_TIMEOUT_S
        self._hold_until_s = now_s + hold_s

    def _partial(self, text: str, confidence: float | None, now_s: float) -> list[TurnAction]:
        if not has_word(text):
            return []
        self._voice.words(now_s)
        self._silence.caller_active(now_s)
        self._postpone_resuming(now_s)
        if self.state is TurnState.LISTENING:
            return self._speculated.partial(self._with_deferred(text), confidence)
        if self._audible_to_caller and self._config.barge_in:
            if self._words.interrupts(text, so_far=True):
                return self._interrupt(now_s)
            if self._words.is_backchannel(text, so_far=True):
                return self._unhold()
        return self._onset(now_s)

    @property
    def _audible_to_caller(self) -> bool:
        return self.state in (TurnState.SPEAKING, TurnState.HOLDING)

    def _interrupt(self, now_s: float) -> list[TurnAction]:
        actions = self._cancel("speech")
        if self._config.false_interruption_ms is not None:
            self._resume_at_s = now_s + self._config.false_interruption_ms / 1000
        return actions

    def _postpone_resuming(self, now_s: float) -> None:
        if self._resume_at_s is not None and self._config.false_interruption_ms is not None:
            self._resume_at_s = now_s + self._config.false_interruption_ms / 1000

    def _unhold(self) -> list[TurnAction]:
        if self.state is not TurnState.HOLDING:
            return []
        self.state = TurnState.SPEAKING
        self._hold_until_s = None
        return [UnholdPlayout(self.reply)]

    def _wait_for_caller(self, now_s: float) -> list[TurnAction]:
        """Keep a reply from becoming audible while the caller speaks."""
        if not self._voice.speaks(now_s):
            return []
        self.state = TurnState.WAITING
        return [HoldPlayout(self.reply)]

    def _stop_waiting(self, now_s: float) -> list[TurnAction]:
        if self.state is not TurnState.WAITING or self._voice.speaks(now_s):
            return []
        self.state = TurnState.THINKING
        return [UnholdPlayout(self.reply)]

    def _audible(self, now_s: float) -> list[TurnAction]:
        waited = self.state is TurnState.WAITING  # its first audio was being sent when the caller began
        if waited or self.state is TurnState.THINKING:
            self.state = TurnState.SPEAKING
        if waited and self._config.barge_in:
            self._hold(now_s)
            return []
        return [UnholdPlayout(self.reply)] if waited else []

    # --- turns ----------------------------------------------------------------------------------------------------

    def _turn(self, turn: TurnFinished, now_s: float) -> list[TurnAction]:
        text, typed = turn.text, turn.typed
        if not typed:
            self._voice.turn(now_s)
        if not (text.strip() if typed else has_word(text)):
            return self._unhold() or self._stop_waiting(now_s)
        self._silence.caller_active(now_s)
        if not (typed or turn.asked) and self._leaves_reply_alone(text):
            return self._defer(text, now_s)
        cancelled = self._cancel("turn")
        return [*cancelled, *self._answer(self._with_deferred(text), typed, now_s)]

    def _leaves_reply_alone(self, text: str) -> bool:
        """Whether a final transcript neither interrupts nor replaces the agent's reply."""
        if self._audible_to_caller:
            return not self._config.barge_in or not self._words.interrupts(text)
        if self.state is TurnState.LISTENING:  # a long "mm-hmm" interrupted before its words were known
            return self._resume_at_s is not None and not self._asks and self._words.is_backchannel(text)
        return self._ignores_backchannels and self._words.is_backchannel(text)

    def _defer(self, text: str, now_s: float) -> list[TurnAction]:
        self._deferred = self._with_deferred(text)[-MAX_DEFERRED_CHARACTERS:]
        if self.state is TurnState.LISTENING:
            return self._resume(now_s)
        if self._audible_to_caller and self._words.is_backchannel(text):
            self._answers_until_s = now_s + ANSWER_WINDOW_S
        elif self._audible_to_caller:
            self._awaits_answer = True
        return self._unhold() or self._stop_waiting(now_s)

    def _with_deferred(self, text: str) -> str:
        return f"{self._deferred} {text}".strip()

    def _answer(self, text: str, typed: bool, now_s: float) -> list[TurnAction]:
        self._deferred = ""
        self._hang_up = None
        actions, speculated = self._speculated.commit(text)
        started = StartReply(self._begin(), text, speculated)
        if self._words.is_backchannel(text):
            self._ignores_backchannels = False  # "Hmm... Yes."
        return [*actions, AnnounceTurn(text, typed), started, *self._wait_for_caller(now_s)]

    # --- replies --------------------------------------------------------------------------------------------------

    def _begin(self, text_known: bool = False) -> int:
        self.reply += 1
        self.state = TurnState.THINKING
        self._text_complete = text_known
        self._ignores_backchannels, self._asks = not self._asks, False  # after a question, "okay" is an answer
        self._awaits_answer, self._answers_until_s = False, -math.inf
        self._resume_at_s = None
        return self.reply

    def _say(self, text: str, now_s: float, *, greeting: bool = False) -> list[TurnAction]:
        if not text.strip():
            return []
        if greeting and self.reply > 0:
            return []  # the caller was faster, and gets an answer in its place
        if self.state is TurnState.LISTENING:
            speech = StartSpeech(self._begin(text_known=True), text, greeting)
            self._asks = asks(text)
            return [*self._speculated.drop(), speech, *self._wait_for_caller(now_s)]
        if not self._text_complete:
            return [AppendSpeech(self.reply, text)]
        if len(self._to_say) >= MAX_TO_SAY:
            return [DropSpeech(text)]
        self._to_say.append(text)
        return []

    def _resume(self, now_s: float) -> list[TurnAction]:
        interrupted, asked, awaited = self.reply, self._asks, self._awaits_answer
        resumed = ResumeReply(self._begin(text_known=True), interrupted)
        self._asks, self._awaits_answer = asked, awaited
        return [*self._speculated.drop(), resumed, *self._wait_for_caller(now_s)]

    def _stop(self, now_s: float) -> list[TurnAction]:
        cancelled = self._cancel("button")
        if cancelled and self._deferred and not self._config.barge_in:
            return [*cancelled, *self._answer(self._deferred, False, now_s)]
        return cancelled or [ConfirmNothingToCancel(self.reply)]

    def _cancel(self, by: Interruption) -> list[TurnAction]:
        self._resume_at_s = None
        if self.state is TurnState.LISTENING:
            return []
        self._to_say.clear()
        self._hang_up = None  # an interruption cancels the hang-up
        self._listen()
        return [CancelReply(self.reply, by)]

    def _suspend(self) -> list[TurnAction]:
        self._voice.reset()
        waiting, hang_up = self._to_say[:], self._hang_up
        cancelled = self._cancel("end")
        self._to_say, self._hang_up = waiting, hang_up  # the caller did not interrupt: they are still due
        return [*cancelled, *self._speculated.drop()]

    def _resume_call(self, unheard: str, unanswered: str, now_s: float) -> list[TurnAction]:
        self._silence.caller_active(now_s)
        if unanswered:
            return [StartReply(self._begin(), unanswered)]
        return self._say(unheard, now_s) or self._after_reply(now_s)

    def _ended(self, reply: int, now_s: float) -> list[TurnAction]:
        if reply != self.reply or self.state is TurnState.LISTENING:
            return []
        self._silence.agent_finished(now_s)
        self._listen()
        return self._after_reply(now_s)

    def _after_reply(self, now_s: float) -> list[TurnAction]:
        answers = self._asks and now_s <= self._answers_until_s
        if self._hang_up is None and (answers or self._awaits_answer):
            return self._answer(self._deferred, False, now_s)
        if self._to_say:
            return self._say(self._to_say.pop(0), now_s)
        if self._hang_up is not None:
            return self._hang_up_after_playout(self._hang_up, now_s)
        if self._deferred and not self._config.barge_in:
            return self._answer(self._deferred, False, now_s)
        return []

    def _listen(self) -> None:
        self.state = TurnState.LISTENING
        self._hold_until_s = None

    def _hang_up_after_playout(self, reason: str, now_s: float) -> list[TurnAction]:
        if self.state is TurnState.LISTENING and not self._voice.speaks(now_s):
            return [HangUp(reason)]
        self._hang_up = reason
        return []

    # --- time -----------------------------------------------------------------------------------------------------

    def _time_passed(self, now_s: float) -> list[TurnAction]:
        if self._hold_until_s is not None and now_s >= self._hold_until_s:
            # Words may arrive late, after the cough they were recognised from.
            sustained = self._reports_speech_end and self._voice.detected
            return self._interrupt(now_s) if sustained else self._unhold()
        listening, speaks = self.state is TurnState.LISTENING, self._voice.speaks(now_s)
        if self._resume_at_s is not None and now_s >= self._resume_at_s and not speaks:
            return self._resume(now_s)
        if listening and self._hang_up is not None and not speaks:
            return [HangUp(self._hang_up)]
        if begun := self._stop_waiting(now_s):
            return begun
        if speaks:
            self._silence.caller_active(now_s)
        if (reason := self._silence.end_reason(now_s, listening=listening)) is not None:
            return [HangUp(reason)]
        if listening and (nudge := self._silence.nudge(now_s)) is not None:
            return self._say(nudge, now_s)
        return []
