"""The turn engine alone: events in, actions out, no sockets and no clock."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voice_host.session.turn_engine import (
    MAX_TO_SAY,
    WORDS_TIMEOUT_S,
    AnnounceTurn,
    AppendSpeech,
    CallerSpeechEnded,
    CallerSpeechStarted,
    CancelReply,
    ConfirmNothingToCancel,
    ForgetConversation,
    HangUp,
    HangUpRequested,
    HoldPlayout,
    PartialTranscript,
    ReleasePlayout,
    ReplyAudible,
    ReplyEnded,
    ReplyTextComplete,
    ResetRequested,
    SetTimer,
    SpeechRequested,
    StartReply,
    StartSpeech,
    StopRequested,
    TimerExpired,
    TurnEngine,
    TurnEvent,
    TurnFinished,
    TurnState,
)
from voice_host_sdk import TurnConfig


def speaking(config: TurnConfig | None = None, *, hears_speech_end: bool = True) -> TurnEngine:
    """An engine whose first reply is audible."""
    engine = TurnEngine(config or TurnConfig(), hears_speech_end=hears_speech_end)
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
    assert engine.handle(CallerSpeechStarted(), 0.1) == []
    assert engine.handle(PartialTranscript("one two three"), 0.2) == []
    assert engine.state is TurnState.THINKING


def test_onset_holds_and_a_cough_releases() -> None:
    engine = speaking()
    assert engine.handle(CallerSpeechStarted(), 1.0) == [HoldPlayout(1), SetTimer(1.5)]
    assert engine.handle(CallerSpeechEnded(), 1.2) == [SetTimer(None), ReleasePlayout(1)]
    assert engine.state is TurnState.SPEAKING


def test_sustained_speech_kills_the_reply() -> None:
    engine = speaking()
    engine.handle(CallerSpeechStarted(), 1.0)
    assert engine.handle(TimerExpired(), 1.5) == [SetTimer(None), CancelReply(1, "speech")]
    assert engine.state is TurnState.LISTENING


def test_words_kill_the_reply() -> None:
    engine = speaking()
    engine.handle(CallerSpeechStarted(), 1.0)
    assert engine.handle(PartialTranscript("wait"), 1.1) == []
    assert engine.handle(PartialTranscript("wait please"), 1.2) == [SetTimer(None), CancelReply(1, "speech")]


def test_without_speech_ends_only_words_kill() -> None:
    engine = speaking(hears_speech_end=False)
    assert engine.handle(CallerSpeechStarted(), 1.0) == [HoldPlayout(1), SetTimer(1.0 + WORDS_TIMEOUT_S)]
    assert engine.handle(TimerExpired(), 2.2) == [SetTimer(None), ReleasePlayout(1)]
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
    for number in range(MAX_TO_SAY + 3):
        assert engine.handle(SpeechRequested(f"Number {number}."), 5) == []
    assert engine.handle(ReplyEnded(2), 6) == [StartSpeech(3, "Number 0.", False)]


def test_hanging_up_waits_for_the_reply_and_is_called_off_by_an_interruption() -> None:
    engine = speaking()
    assert engine.handle(HangUpRequested("done"), 1) == []
    assert engine.handle(ReplyEnded(1), 2) == [HangUp("done")]

    engine = speaking()
    engine.handle(HangUpRequested("done"), 1)
    engine.handle(TurnFinished("wait, one more", typed=True), 1.5)
    assert engine.handle(ReplyEnded(2), 2) == []

    assert TurnEngine(TurnConfig()).handle(HangUpRequested("now"), 0) == [HangUp("now")]


@pytest.mark.parametrize("event", [ReplyAudible(1), ReplyEnded(1), ReplyTextComplete(1), TimerExpired()])
def test_what_comes_late_for_a_dead_reply_is_ignored(event: TurnEvent) -> None:
    engine = speaking()
    engine.handle(TurnFinished("next please"), 1)
    assert engine.handle(event, 2) == []
    assert engine.state is TurnState.THINKING


texts = st.sampled_from(["", "yes", "stop it", "what time do you open"])
replies = st.integers(0, 6)
events = st.one_of(
    st.builds(CallerSpeechStarted),
    st.builds(CallerSpeechEnded),
    st.builds(PartialTranscript, texts),
    st.builds(TurnFinished, texts, st.booleans()),
    st.builds(StopRequested),
    st.builds(ResetRequested),
    st.builds(SpeechRequested, texts, st.booleans()),
    st.builds(HangUpRequested, st.just("bye")),
    st.builds(ReplyAudible, replies),
    st.builds(ReplyTextComplete, replies),
    st.builds(ReplyEnded, replies),
    st.builds(TimerExpired),
)


@given(st.lists(events, max_size=60), st.booleans(), st.booleans())
@settings(max_examples=400, deadline=None)
def test_any_order_of_events_keeps_the_rules(sequence: list[TurnEvent], barge_in: bool, hears_end: bool) -> None:
    engine = TurnEngine(TurnConfig(barge_in=barge_in), hears_speech_end=hears_end)
    alive: int | None = None
    held = False
    for now, event in enumerate(sequence):
        before = engine.reply
        for action in engine.handle(event, float(now)):
            match action:
                case StartReply(reply) | StartSpeech(reply):
                    assert alive is None, "two replies at once"
                    assert reply == before + 1
                    alive, held = reply, False
                case CancelReply(reply):
                    assert reply == alive
                    alive = None
                case AppendSpeech(reply):
                    assert reply == alive
                case HoldPlayout(reply):
                    assert reply == alive
                    assert not held
                    held = True
                case ReleasePlayout(reply):
                    assert reply == alive
                    assert held
                    held = False
        if isinstance(event, ReplyEnded) and event.reply == alive and engine.reply == alive:
            alive = None
        assert (alive is None) == (engine.state is TurnState.LISTENING)
    # From every state, silence leads back to listening.
    for _ in range(MAX_TO_SAY + 3):
        engine.handle(CallerSpeechEnded(), 100.0)
        engine.handle(ReplyEnded(engine.reply), 101.0)
    assert engine.state is TurnState.LISTENING
