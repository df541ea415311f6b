"""A turn engine that is restored from a snapshot goes on like the one that the snapshot was taken of."""

from __future__ import annotations

from dataclasses import asdict

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.turns.test_engine import events
from voice_host.turns.engine import TurnEngine
from voice_host.turns.events import (
    ConnectionEnded,
    ConnectionResumed,
    HangUp,
    ReplyAudible,
    ReplyEnded,
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
    """Feed events, each after a pause; return what the engine says and wants."""
    seen: list[object] = []
    for event, pause_s in sequence:
        now_s += pause_s
        seen.append((engine.handle(event, now_s), engine.state, engine.reply, engine.deadline_s))
    return seen


@given(
    before=timed,
    after=timed,
    resumed=st.builds(ConnectionResumed, st.sampled_from(["", "the rest"]), st.sampled_from(["", "what time"])),
    barge_in=st.booleans(),
)
@settings(max_examples=300, deadline=None)
def test_a_restored_engine_cannot_be_told_from_the_one_before(
    before: list[tuple[TurnEvent, float]],
    after: list[tuple[TurnEvent, float]],
    resumed: ConnectionResumed,
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
    continued = [(resumed, 2.0), *after]
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


def test_what_waits_to_be_said_and_the_ids_of_replies_go_on() -> None:
    engine = TurnEngine(TurnConfig())
    engine.handle(TurnFinished("hello there"), 0)
    engine.handle(ReplyAudible(1), 1)
    engine.handle(ReplyEnded(1), 2)
    snapshot = engine.snapshot(0)
    assert asdict(snapshot)["reply"] == 1
    restored = TurnEngine(TurnConfig())
    restored.restore(snapshot, 0)
    assert restored.handle(ConnectionResumed("The rest."), 3) == [StartSpeech(2, "The rest.")]
