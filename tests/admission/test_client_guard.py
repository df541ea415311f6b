"""What passes of a client's frames and messages, in virtual time."""

from __future__ import annotations

import pytest

from voice_host.admission import ClientGuard, call_limits, shortened
from voice_host.admission.client_guard import PATIENCE_S
from voice_host.settings import LimitsSettings, Settings
from voice_host_sdk import SilenceConfig

RATE = 16000
SECOND = RATE * 2


class Clock:
    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def guard(clock: Clock, limits: LimitsSettings | None = None) -> ClientGuard:
    return ClientGuard(limits or LimitsSettings(), RATE, clock)


def test_real_time_passes_for_ever() -> None:
    clock = Clock()
    g = guard(clock)
    for _ in range(100_000):
        assert g.audio(640) is None
        clock.now_s += 0.02


def test_a_burst_passes_and_what_is_beyond_it_does_not() -> None:
    clock = Clock()
    g = guard(clock)
    assert [g.audio(SECOND) is None for _ in range(11)] == [True] * 10 + [False]
    clock.now_s += 1
    assert g.audio(SECOND) is None


def test_a_flood_is_told_now_and_then_and_closed_in_the_end() -> None:
    clock = Clock()
    g = guard(clock)
    found = []
    while not (found and found[-1].fatal):
        found += filter(None, [g.audio(SECOND // 10)])
        clock.now_s += 0.01  # ten times real time
    assert {violation.limit for violation in found} == {"audio_burst_s"}
    assert clock.now_s < PATIENCE_S / 5
    assert sum(violation.notify for violation in found) <= 3
    assert found[0].notify


def test_frames_without_audio_are_not_free() -> None:
    g = guard(Clock())
    passed = 0
    while g.audio(0) is None:
        passed += 1
    assert passed == 10_000


def test_what_comes_beside_the_audio_is_not_free() -> None:
    g, passed = guard(Clock()), 0
    while g.audio(0, 60_000) is None:
        passed += 1
    assert passed == 10 * SECOND // 3750


@pytest.mark.parametrize(
    ("audio", "frame_size"),
    [(640, 640), (640, 366), (320, 1340), (40, 220)],
    ids=["binary", "telephone", "Realtime with an agent at 8 kHz", "2.5 ms of it"],
)
def test_the_frames_of_audio_that_clients_send_count_as_their_audio(audio: int, frame_size: int) -> None:
    g = guard(Clock())
    for _ in range(10 * SECOND // audio):
        assert g.audio(audio, frame_size) is None
    assert g.audio(audio, frame_size) is not None


def test_messages_may_come_in_a_burst_but_not_for_ever() -> None:
    clock = Clock()
    g = guard(clock, LimitsSettings(messages_per_s=5))
    found = [g.message("{}") for _ in range(20)]
    assert found[:15] == [None] * 15
    told = [violation.notify for violation in found[15:] if violation]
    assert told == [True, False, False, False, False]
    for _ in range(100):  # within the limit again
        clock.now_s += 0.25
        assert g.message("{}") is None


def test_a_client_that_never_stops_is_closed() -> None:
    clock = Clock()
    g = guard(clock)
    for count in range(100_000):
        if (violation := g.message("{}")) and violation.fatal:
            assert violation.limit == "messages_per_s"
            assert count > PATIENCE_S * 20
            return
    raise AssertionError("it was let go on")


def test_how_much_may_come_at_once_and_be_over_the_limit() -> None:
    strict = guard(Clock(), LimitsSettings(messages_per_s=10))
    judged = [strict.message("{}") for _ in range(631)]
    assert judged[:30] == [None] * 30
    fatal = [violation is not None and violation.fatal for violation in judged]
    assert fatal == [False] * 630 + [True]


def test_sizes_are_in_bytes_and_characters() -> None:
    g = guard(Clock(), LimitsSettings(max_json_bytes=256, max_typed_chars=5, max_frame_bytes=1024))
    assert g.message("x" * 256) is None
    for too_long in ("x" * 257, "é" * 129):
        violation = g.message(too_long)
        assert violation is not None
        assert (violation.limit, violation.fatal) == ("max_json_bytes", False)
    assert g.typed("é" * 5) is None
    typed, frame = g.typed("123456"), g.audio(1025)
    assert typed is not None
    assert frame is not None
    assert (typed.limit, typed.fatal) == ("max_typed_chars", False)
    assert (frame.limit, frame.fatal) == ("max_frame_bytes", True)


def test_the_shorter_limit_of_a_calls_length_counts() -> None:
    limits = LimitsSettings(max_call_s=600)
    assert shortened(SilenceConfig(max_call_s=60), limits).max_call_s == 60
    assert shortened(SilenceConfig(max_call_s=3600), limits).max_call_s == 600
    assert shortened(SilenceConfig(max_call_s=None), limits).max_call_s == 600


@pytest.mark.parametrize(("of_agent", "counts"), [(None, 600), (60, 60), (3600, 600)])
def test_the_shorter_limit_of_host_and_agent_counts(of_agent: float | None, counts: float) -> None:
    settings = Settings.model_validate({"limits": {"max_call_s": 600}, "agent": {"desk": {"max_call_s": of_agent}}})
    assert call_limits(settings, "desk").max_call_s == counts
    assert call_limits(settings, "other").max_call_s == 600
