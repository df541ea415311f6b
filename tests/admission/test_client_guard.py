"""What passes of a client's frames and messages, in virtual time."""

from __future__ import annotations

from dataclasses import replace

from voice_host.admission import CallLimits, ClientGuard, call_limits
from voice_host_sdk import SilenceConfig

RATE = 16000
SECOND = RATE * 2


class Clock:
    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def guard(clock: Clock, limits: CallLimits | None = None) -> ClientGuard:
    return ClientGuard(limits or call_limits(), RATE, clock)


def test_real_time_passes_for_ever() -> None:
    clock = Clock()
    g = guard(clock)
    for _ in range(100_000):
        assert g.audio(640) is None
        clock.now_s += 0.02


def test_a_burst_passes_and_what_is_beyond_it_does_not() -> None:
    clock = Clock()
    g = guard(clock, replace(call_limits(), audio_burst_s=3))
    assert [g.audio(SECOND) is None for _ in range(4)] == [True, True, True, False]
    clock.now_s += 1
    assert g.audio(SECOND) is None


def test_a_flood_is_told_now_and_then_and_closed_in_the_end() -> None:
    clock = Clock()
    g = guard(clock)
    found = []
    while not (found and found[-1].fatal):
        found += filter(None, [g.audio(SECOND // 10)])
        clock.now_s += 0.01  # ten times real time
    assert {excess.limit for excess in found} == {"audio_burst_s"}
    assert clock.now_s < call_limits().patience_s / 5
    assert sum(excess.tell for excess in found) <= 3
    assert found[0].tell


def test_frames_without_audio_are_not_free() -> None:
    g = guard(Clock())
    passed = 0
    while g.audio(0) is None:
        passed += 1
    assert passed == 10_000


def test_messages_may_come_in_a_burst_but_not_for_ever() -> None:
    clock = Clock()
    g = guard(clock, replace(call_limits(), messages_per_s=5))
    found = [g.message("{}") for _ in range(20)]
    assert found[:15] == [None] * 15
    told = [excess.tell for excess in found[15:] if excess]
    assert told == [True, False, False, False, False]
    for _ in range(100):  # within the limit again
        clock.now_s += 0.25
        assert g.message("{}") is None


def test_a_client_that_never_stops_is_closed() -> None:
    clock = Clock()
    g = guard(clock)
    for count in range(100_000):
        if (excess := g.message("{}")) and excess.fatal:
            assert excess.limit == "messages_per_s"
            assert count > call_limits().patience_s * 20
            return
    raise AssertionError("it was let go on")


def test_how_much_may_come_at_once_and_be_over_the_limit_are_settings() -> None:
    clock = Clock()
    strict = guard(clock, replace(call_limits(), messages_per_s=10, messages_burst_s=1, patience_s=2))
    judged = [strict.message("{}") for _ in range(31)]
    assert judged[:10] == [None] * 10
    fatal = [excess is not None and excess.fatal for excess in judged]
    assert fatal == [False] * 30 + [True]


def test_sizes_are_in_bytes_and_characters() -> None:
    g = guard(Clock(), replace(call_limits(), max_json_bytes=256, max_typed_chars=5, max_frame_bytes=1024))
    assert g.message("x" * 256) is None
    for too_long in ("x" * 257, "é" * 129):
        excess = g.message(too_long)
        assert excess is not None
        assert (excess.limit, excess.fatal) == ("max_json_bytes", False)
    assert g.typed("é" * 5) is None
    typed, frame = g.typed("123456"), g.audio(1025)
    assert typed is not None
    assert frame is not None
    assert (typed.limit, typed.fatal) == ("max_typed_chars", False)
    assert (frame.limit, frame.fatal) == ("max_frame_bytes", True)


def test_the_shorter_limit_of_a_calls_length_counts() -> None:
    limits = replace(call_limits(), max_call_s=600)
    assert limits.shortened(SilenceConfig(max_call_s=60)).max_call_s == 60
    assert limits.shortened(SilenceConfig(max_call_s=3600)).max_call_s == 600
    assert limits.shortened(SilenceConfig(max_call_s=None)).max_call_s == 600
