"""A turn engine that is restored from a snapshot goes on like the one that the snapshot was taken of."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.turns.test_engine import events
from voice_host.turns.engine import TurnEngine
from voice_host.turns.events import (
    ConnectionEnded,
    ConnectionResumed,
    HangUp,
    HangUpRequested,
    ReplyAudible,
    ReplyEnded,
    ReplyTextComplete,
    SpeechRequested,
    StartReply,
    StartSpeech,
    TimePassed,
    TurnEvent,
    TurnFinished,
)
from voice_host_sdk import SilenceConfig, TurnConfig

SILENCE = SilenceConfig(nudge_after_s=5, nudges=("Hello?", "Anybody?"), idle_timeout_s=30, max_call_s=300)
timed = st.lists(st.tuples(events, st.sampled_from([0.0, 0.25, 0.75, 3.0, 40.0])), max_size=30)
"""Pauses are sums of powers of two, so that moving the clock does not change their last digit."""


def play(engine: TurnEngine, sequence: list[tuple[TurnEvent, float]], now_s: float) -> list[object]:
    """Feed events, each after a pause and those of replies for the current one; return what the engine does."""
    seen: list[object] = []
    for event, pause_s in sequence:
        now_s += pause_s
        if isinstance(event, ReplyAudible | ReplyTextComplete | ReplyEnded):
            event = replace(event, reply=engine.reply)
        seen.append((engine.handle(event, now_s), engine.state, engine.reply, engine.deadline_s))
    return seen


@given(
    before=timed,
    after=timed,
    back=st.builds(ConnectionResumed, st.sampled_from(["", "the rest"]), st.sampled_from(["", "what time"])),
    barge_in=st.booleans(),
)
@settings(max_examples=300, deadline=None)
def test_a_restored_engine_cannot_be_told_from_the_one_before(
    before: list[tuple[TurnEvent, float]],
    after: list[tuple[TurnEvent, float]],
    back: ConnectionResumed,
    barge_in: bool,
) -> None:
    config = TurnConfig(barge_in=barge_in)
    engine = TurnEngine(config, SILENCE, start_s=64.0)
    play(engine, before, 64.0)
    ended_s = 64.0 + sum(pause_s for _, pause_s in before)
    live = engine.snapshot(64.0)
    engine.handle(ConnectionEnded(), ended_s)
    assert engine.snapshot(64.0) == live, "it holds nothing that ends with the connection"

    restored = TurnEngine(config, SILENCE, start_s=ended_s)
    restored.restore(live, 64.0)
    continued = [(back, 2.0), *after]
    assert play(restored, continued, ended_s) == play(engine, continued, ended_s)


def test_time_limits_go_on_by_another_clock() -> None:
    silence = SilenceConfig(nudge_after_s=None, idle_timeout_s=None, max_call_s=100)
    engine = TurnEngine(TurnConfig(), silence, start_s=1000.0)
    engine.handle(TurnFinished("hello there"), 1060.0)
    snapshot = engine.snapshot(1000.0)

    elsewhere = TurnEngine(TurnConfig(), silence, start_s=7.0)
    elsewhere.restore(snapshot, 7.0 - 60.0)
    assert elsewhere.handle(TimePassed(), 46.5) == []
    assert elsewhere.handle(TimePassed(), 47.0) == [HangUp("the call reached its maximum length")]


def resumed(engine: TurnEngine, config: TurnConfig, silence: SilenceConfig | None = None) -> TurnEngine:
    """Return an engine that continues from a snapshot of this one."""
    restored = TurnEngine(config, silence)
    restored.restore(engine.snapshot(0.0), 0.0)
    return restored


def speaking(config: TurnConfig, silence: SilenceConfig | None = None) -> TurnEngine:
    """An engine whose first reply is audible, and its text known."""
    engine = TurnEngine(config, silence)
    engine.handle(TurnFinished("hello there"), 0)
    engine.handle(ReplyAudible(1), 1)
    engine.handle(ReplyTextComplete(1), 1)
    return engine


def test_the_ids_of_replies_go_on() -> None:
    restored = resumed(speaking(TurnConfig()), TurnConfig())
    assert restored.handle(ConnectionResumed("The rest."), 3) == [StartSpeech(2, "The rest.")]


def test_what_waits_to_be_said_is_said() -> None:
    engine = speaking(TurnConfig())
    engine.handle(SpeechRequested("Your table is ready."), 2)
    engine.handle(HangUpRequested("bye"), 2)
    restored = resumed(engine, TurnConfig())
    assert restored.handle(ConnectionResumed(), 3) == [StartSpeech(2, "Your table is ready.")]
    assert restored.handle(ReplyEnded(2), 4) == [HangUp("bye")]


def test_a_word_over_the_last_reply_is_answered() -> None:
    engine = speaking(TurnConfig())
    engine.handle(TurnFinished("tomorrow"), 2)
    restored = resumed(engine, TurnConfig())
    assert restored.handle(ConnectionResumed(), 3)[-1] == StartReply(2, "tomorrow")


def test_a_nudge_that_was_interrupted_does_not_keep_the_call_alive() -> None:
    silence = SilenceConfig(nudge_after_s=5, nudges=("Hello?",), idle_timeout_s=30, max_call_s=None)
    engine = TurnEngine(TurnConfig(), silence)
    assert engine.handle(TimePassed(), 5) == [StartSpeech(1, "Hello?")]
    assert engine.snapshot(0.0).silence.nudging
    restored = resumed(engine, TurnConfig(), silence)
    assert restored.snapshot(0.0) == engine.snapshot(0.0)
