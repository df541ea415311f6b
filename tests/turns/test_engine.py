"""The turn engine alone: events in, actions out, no sockets and no clock."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voice_host.turns.caller_voice import WORDS_TIMEOUT_S
from voice_host.turns.engine import MAX_DEFERRED_CHARACTERS, MAX_TO_SAY, TurnEngine, TurnState
from voice_host.turns.events import (
    AnnounceTurn,
    AppendSpeech,
    CallerSpeechEnded,
    CallerSpeechStarted,
    CancelReply,
    ConfirmNothingToCancel,
    DropSpeculation,
    DropSpeech,
    ForgetConversation,
    HangUp,
    HangUpRequested,
    HoldPlayout,
    PartialTranscript,
    ReplyAudible,
    ReplyEnded,
    ReplyTextComplete,
    ResetRequested,
    ResumeReply,
    Speculate,
    SpeechRequested,
    StartReply,
    StartSpeech,
    StopRequested,
    TimePassed,
    TurnEvent,
    TurnFinished,
    UnholdPlayout,
)
from voice_host_sdk import SilenceConfig, TurnConfig


def speaking(config: TurnConfig | None = None, *, reports_speech_end: bool = True) -> TurnEngine:
    """An engine whose first reply is audible."""
    engine = TurnEngine(config or TurnConfig(), reports_speech_end=reports_speech_end)
    engine.handle(TurnFinished("hello"), 0)
    engine.handle(ReplyAudible(1), 0.1)
    assert engine.state is TurnState.SPEAKING
    return engine


def test_a_turn_is_announced_and_answered() -> None:
    engine = TurnEngine(TurnConfig())
    assert engine.handle(TurnFinished("hello"), 0) == [AnnounceTurn("hello", False), StartReply(1, "hello")]
    assert engine.state is TurnState.THINKING
    assert engine.handle(ReplyAudible(1), 1) == []
    assert engine.handle(ReplyEnded(1), 2) == []
    assert engine.state is TurnState.LISTENING


def test_thinking_is_not_speaking() -> None:
    engine = TurnEngine(TurnConfig())
    engine.handle(TurnFinished("hello"), 0)
    assert engine.handle(CallerSpeechStarted(), 0.1) == [HoldPlayout(1)]
    assert engine.handle(PartialTranscript("one two three"), 0.2) == []
    assert engine.state is TurnState.WAITING


def test_onset_holds_and_a_cough_releases() -> None:
    engine = speaking()
    assert engine.handle(CallerSpeechStarted(), 1.0) == [HoldPlayout(1)]
    assert engine.deadline_s == 1.5
    assert engine.handle(CallerSpeechEnded(), 1.2) == [UnholdPlayout(1)]
    assert engine.state is TurnState.SPEAKING
    assert engine.deadline_s is None


def test_sustained_speech_kills_the_reply() -> None:
    engine = speaking()
    engine.handle(CallerSpeechStarted(), 1.0)
    assert engine.handle(TimePassed(), 1.4) == []
    assert engine.handle(TimePassed(), 1.5) == [CancelReply(1, "speech")]
    assert engine.state is TurnState.LISTENING


def test_words_kill_the_reply() -> None:
    engine = speaking()
    engine.handle(CallerSpeechStarted(), 1.0)
    assert engine.handle(PartialTranscript("tomorrow"), 1.1) == []
    assert engine.handle(PartialTranscript("tomorrow please"), 1.2) == [CancelReply(1, "speech")]


def test_without_speech_ends_only_words_kill() -> None:
    engine = speaking(reports_speech_end=False)
    assert engine.handle(CallerSpeechStarted(), 1.0) == [HoldPlayout(1)]
    assert engine.deadline_s == 1.0 + WORDS_TIMEOUT_S
    assert engine.handle(TimePassed(), 1.0 + WORDS_TIMEOUT_S) == [UnholdPlayout(1)]
    assert engine.state is TurnState.SPEAKING


def test_without_barge_in_speech_waits_for_the_end_of_the_reply() -> None:
    engine = speaking(TurnConfig(barge_in=False))
    assert engine.handle(CallerSpeechStarted(), 1.0) == []
    assert engine.handle(PartialTranscript("one two three"), 1.5) == []
    assert engine.handle(TurnFinished("one two three"), 2.0) == []
    assert engine.handle(ReplyEnded(1), 3.0) == [AnnounceTurn("one two three", False), StartReply(2, "one two three")]


def test_what_was_said_under_the_threshold_belongs_to_the_next_turn() -> None:
    engine = speaking()
    assert engine.handle(TurnFinished("yes"), 1.0) == []
    engine.handle(ReplyEnded(1), 2.0)
    assert engine.handle(TurnFinished("on Friday"), 3.0)[0] == AnnounceTurn("yes on Friday", False)


def test_a_typed_turn_of_one_word_interrupts() -> None:
    engine = speaking()
    assert engine.handle(TurnFinished("stop", typed=True), 1.0) == [
        CancelReply(1, "turn"),
        AnnounceTurn("stop", True),
        StartReply(2, "stop"),
    ]


def test_the_button_and_reset() -> None:
    engine = speaking()
    assert engine.handle(StopRequested(), 1.0) == [CancelReply(1, "button")]
    assert engine.handle(StopRequested(), 1.1) == [ConfirmNothingToCancel(1)]
    assert engine.handle(ResetRequested(), 1.2) == [ForgetConversation()]
    engine.handle(TurnFinished("hello there"), 2.0)
    assert engine.handle(ResetRequested(), 2.1) == [CancelReply(2, "reset"), ForgetConversation()]


def test_say_joins_the_reply_or_waits_for_its_end() -> None:
    engine = TurnEngine(TurnConfig())
    assert engine.handle(SpeechRequested("Welcome.", greeting=True), 0) == [StartSpeech(1, "Welcome.", True)]
    engine.handle(ReplyEnded(1), 1)
    engine.handle(TurnFinished("hello"), 2)
    assert engine.handle(SpeechRequested("One moment."), 3) == [AppendSpeech(2, "One moment.")]
    engine.handle(ReplyTextComplete(2), 4)
    for number in range(MAX_TO_SAY):
        assert engine.handle(SpeechRequested(f"Number {number}."), 5) == []
    assert engine.handle(SpeechRequested("One too many."), 5) == [DropSpeech("One too many.")]
    assert engine.handle(ReplyEnded(2), 6) == [StartSpeech(3, "Number 0.", False)]


def test_there_is_no_greeting_for_a_caller_who_has_asked_something() -> None:
    engine = TurnEngine(TurnConfig())
    engine.handle(TurnFinished("are you open", typed=True), 0)
    assert engine.handle(SpeechRequested("Welcome.", greeting=True), 0.1) == []
    engine.handle(ReplyEnded(1), 1)
    assert engine.handle(SpeechRequested("Welcome.", greeting=True), 1.1) == []


def test_hanging_up_waits_for_the_reply_and_is_called_off_by_an_interruption() -> None:
    engine = speaking()
    assert engine.handle(HangUpRequested("done"), 1) == []
    assert engine.handle(ReplyEnded(1), 2) == [HangUp("done")]

    engine = speaking()
    engine.handle(HangUpRequested("done"), 1)
    engine.handle(TurnFinished("wait, one more", typed=True), 1.5)
    assert engine.handle(ReplyEnded(2), 2) == []

    assert TurnEngine(TurnConfig()).handle(HangUpRequested("now"), 0) == [HangUp("now")]


@pytest.mark.parametrize("event", [ReplyAudible(1), ReplyEnded(1), ReplyTextComplete(1), TimePassed()])
def test_what_comes_late_for_a_dead_reply_is_ignored(event: TurnEvent) -> None:
    engine = speaking()
    engine.handle(TurnFinished("next please"), 1)
    assert engine.handle(event, 2) == []
    assert engine.state is TurnState.THINKING


texts = st.sampled_from(["", ".", "yes", "okay okay", "stop", "what time do you open"])
replies = st.integers(0, 6)
events = st.one_of(
    st.builds(CallerSpeechStarted),
    st.builds(CallerSpeechEnded),
    st.builds(PartialTranscript, texts, st.sampled_from([None, 0.2, 0.9])),
    st.builds(TurnFinished, texts, st.booleans()),
    st.builds(StopRequested),
    st.builds(ResetRequested),
    st.builds(SpeechRequested, texts, st.booleans()),
    st.builds(HangUpRequested, st.just("bye")),
    st.builds(ReplyAudible, replies),
    st.builds(ReplyTextComplete, replies, st.booleans()),
    st.builds(ReplyEnded, replies),
    st.builds(TimePassed),
)


@given(
    st.lists(st.tuples(events, st.sampled_from([0.0, 0.1, 0.7, 3.0, 40.0])), max_size=60),
    st.builds(TurnConfig, barge_in=st.booleans(), false_interruption_ms=st.sampled_from([None, 500])),
    st.sampled_from([None, SilenceConfig(nudge_after_s=5, idle_timeout_s=30, max_call_s=300)]),
    st.booleans(),
)
@settings(max_examples=500, deadline=None)
def test_any_order_of_events_keeps_the_rules(
    sequence: list[tuple[TurnEvent, float]], config: TurnConfig, silence: SilenceConfig | None, reports_end: bool
) -> None:
    engine = TurnEngine(config, silence, reports_speech_end=reports_end)
    alive: int | None = None
    held = speculating = False
    announced = answered = 0
    now = 0.0
    for event, pause in sequence:
        now += pause
        if engine.deadline_s is not None and isinstance(event, TimePassed):
            now = max(now, engine.deadline_s)
        before = engine.reply
        if isinstance(event, ReplyEnded) and event.reply == alive:
            alive, held = None, False  # whatever it starts comes after it
        for action in engine.handle(event, now):
            match action:
                case StartReply(reply, _, speculated):
                    assert alive is None, "two replies at once"
                    assert reply == before + 1
                    assert speculated == speculating
                    alive, held, speculating = reply, False, False
                    answered += 1
                case StartSpeech(reply) | ResumeReply(reply):
                    assert alive is None, "two replies at once"
                    assert reply == before + 1
                    assert not speculating
                    alive, held = reply, False
                case CancelReply(reply):
                    assert reply == alive
                    alive, held = None, False
                case AppendSpeech(reply):
                    assert reply == alive
                case HoldPlayout(reply):
                    assert reply == alive
                    assert not held
                    held = True
                case UnholdPlayout(reply):
                    assert reply == alive
                    assert held
                    held = False
                case AnnounceTurn():
                    announced += 1
                case Speculate():
                    assert alive is None
                    assert not speculating
                    speculating = True
                case DropSpeculation():
                    assert speculating
                    speculating = False
        assert (alive is None) == (engine.state is TurnState.LISTENING)
        assert held == (engine.state in (TurnState.WAITING, TurnState.HOLDING))
        assert not held or engine.deadline_s is not None, "a reply that is held is let go in the end"
    assert announced == answered, "a turn that was announced is answered"
    # From every state, silence leads back to listening.
    for _ in range(2 * MAX_TO_SAY):
        now += 0.1
        engine.handle(CallerSpeechEnded(), now)
        engine.handle(ReplyEnded(engine.reply), now)
    assert engine.state is TurnState.LISTENING


def interrupted(config: TurnConfig | None = None) -> TurnEngine:
    """An engine whose first reply was killed by speech at 2.0 s, of which no word was recognised."""
    engine = speaking(config)
    engine.handle(CallerSpeechStarted(), 1.5)
    assert engine.handle(TimePassed(), 2.0) == [CancelReply(1, "speech")]
    engine.handle(CallerSpeechEnded(), 2.1)
    return engine


def test_an_interruption_that_was_no_turn_is_followed_by_the_rest_of_the_reply() -> None:
    engine = interrupted()
    assert engine.deadline_s == 4.0
    assert engine.handle(TimePassed(), 3.9) == []
    assert engine.handle(TimePassed(), 4.0) == [ResumeReply(2, 1)]
    assert engine.state is TurnState.THINKING


def test_who_goes_on_talking_is_not_resumed_over() -> None:
    engine = interrupted()
    engine.handle(PartialTranscript("but what about"), 3.5)
    assert engine.handle(TimePassed(), 5.5) == []
    engine.handle(TurnFinished("but what about Sunday"), 4.5)
    assert engine.deadline_s is None
    assert engine.handle(TimePassed(), 6.0) == []


def test_resuming_can_be_turned_off() -> None:
    engine = interrupted(TurnConfig(false_interruption_ms=None))
    assert engine.deadline_s is None


def test_a_confident_partial_lets_the_model_begin_and_the_same_turn_takes_it_over() -> None:
    engine = TurnEngine(TurnConfig(speculation_confidence=0.7))
    assert engine.handle(PartialTranscript("what time", 0.3), 1.0) == []
    assert engine.handle(PartialTranscript("what time is it", 0.8), 1.1) == [Speculate("what time is it")]
    assert engine.handle(PartialTranscript("what time is it", 0.9), 1.2) == []
    assert engine.handle(TurnFinished("What time is it?"), 1.3) == [
        AnnounceTurn("What time is it?", False),
        StartReply(1, "What time is it?", speculated=True),
    ]


def test_a_changed_turn_throws_the_speculation_away() -> None:
    engine = TurnEngine(TurnConfig(speculation_confidence=0.7))
    engine.handle(PartialTranscript("what time", 0.9), 1.0)
    assert engine.handle(PartialTranscript("what time is it", 0.8), 1.1) == [
        DropSpeculation(),
        Speculate("what time is it"),
    ]
    assert engine.handle(PartialTranscript("what time is it in", 0.1), 1.2) == [DropSpeculation()]
    engine.handle(PartialTranscript("what time is it in Rome", 0.9), 1.3)
    actions = engine.handle(TurnFinished("what time is it in Roma"), 1.4)
    assert actions[0] == DropSpeculation()
    assert actions[-1] == StartReply(1, "what time is it in Roma", speculated=False)


def test_nothing_is_speculated_while_the_agent_speaks_or_where_it_is_off() -> None:
    assert speaking().handle(PartialTranscript("one", 0.99), 1.0) == [HoldPlayout(1)]
    assert TurnEngine(TurnConfig(speculation_confidence=None)).handle(PartialTranscript("one", 0.99), 1.0) == []


def test_a_silent_caller_is_asked_twice_and_then_hung_up_on() -> None:
    silence = SilenceConfig(nudge_after_s=10, nudges=("Hello?", "Anybody?"), idle_timeout_s=60, max_call_s=None)
    engine = TurnEngine(TurnConfig(), silence)
    assert engine.deadline_s == 10
    assert engine.handle(TimePassed(), 10) == [StartSpeech(1, "Hello?")]
    assert engine.deadline_s is None  # while it speaks nobody is silent
    engine.handle(ReplyEnded(1), 12)
    assert engine.deadline_s == 22
    assert engine.handle(TimePassed(), 22) == [StartSpeech(2, "Anybody?")]
    engine.handle(ReplyEnded(2), 24)
    assert engine.deadline_s == 60
    assert engine.handle(TimePassed(), 60) == [HangUp("nothing was said for too long")]


def test_a_word_of_the_caller_begins_the_silence_anew() -> None:
    silence = SilenceConfig(nudge_after_s=10, nudges=("Hello?",), idle_timeout_s=60)
    engine = TurnEngine(TurnConfig(), silence)
    engine.handle(TimePassed(), 10)
    engine.handle(ReplyEnded(1), 11)
    assert engine.deadline_s == 60
    engine.handle(CallerSpeechStarted(), 50)
    assert engine.deadline_s == 60
    assert engine.handle(TimePassed(), 60) == [StartSpeech(2, "Hello?")]


def test_a_long_reply_does_not_count_as_the_callers_silence() -> None:
    engine = TurnEngine(TurnConfig(), SilenceConfig(nudge_after_s=None, idle_timeout_s=60))
    engine.handle(TurnFinished("tell me a story"), 0)
    engine.handle(ReplyAudible(1), 1)
    assert engine.deadline_s == 3600
    engine.handle(ReplyEnded(1), 300)
    assert engine.deadline_s == 360


def test_a_call_has_a_longest_length() -> None:
    engine = TurnEngine(TurnConfig(), SilenceConfig(max_call_s=100), start_s=1000)
    engine.handle(TurnFinished("hello there"), 1099)
    assert engine.handle(TimePassed(), 1100) == [HangUp("the call reached its maximum length")]


def test_what_is_deferred_is_bounded() -> None:
    engine = speaking()
    for _ in range(MAX_DEFERRED_CHARACTERS):
        assert engine.handle(TurnFinished("mhm"), 1.0) == []
    engine.handle(ReplyEnded(1), 2.0)
    announced = engine.handle(TurnFinished("and now"), 3.0)[0]
    assert isinstance(announced, AnnounceTurn)
    assert len(announced.text) <= MAX_DEFERRED_CHARACTERS + 8


def test_words_that_come_late_after_a_cough_do_not_kill() -> None:
    engine = speaking()
    engine.handle(CallerSpeechStarted(), 1.0)
    engine.handle(CallerSpeechEnded(), 1.3)
    assert engine.handle(PartialTranscript("tomorrow"), 1.4) == [HoldPlayout(1)]
    assert engine.handle(TimePassed(), 1.9) == [UnholdPlayout(1)]


def test_what_was_said_over_an_agent_that_cannot_be_interrupted_is_answered_after_the_button() -> None:
    engine = speaking(TurnConfig(barge_in=False))
    engine.handle(TurnFinished("a table for two"), 1.0)
    assert engine.handle(StopRequested(), 2.0)[-1] == StartReply(2, "a table for two")
