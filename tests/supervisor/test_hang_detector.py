"""When a worker that does not answer is taken for one that hangs."""

from __future__ import annotations

from voice_host.supervisor.hang_detector import MIN_CHECKS, HangDetector, check_interval_s


def checks_until_hung(detector: HangDetector, interval_s: float, waits: float = 0.0, most: int = 100) -> int | None:
    """Check at each interval. `waits`: the share of the time in which the worker waits for a CPU."""
    for number in range(1, most + 1):
        if detector.check(number * interval_s, number * interval_s * waits):
            return number
    return None


def test_silence_is_a_hang_after_the_limit() -> None:
    assert checks_until_hung(HangDetector(10.0, now_s=0.0), 1.0) == 10


def test_an_answer_begins_anew() -> None:
    detector = HangDetector(10.0, now_s=0.0)
    assert checks_until_hung(detector, 1.0, most=9) is None
    detector.answered()
    assert not detector.check(10.0, 0.0)
    assert detector.silent_s == 1.0


def test_time_in_which_the_front_was_late_does_not_count() -> None:
    detector = HangDetector(2.0, now_s=0.0)
    assert not detector.check(60.0, 0.0)
    assert detector.silent_s == check_interval_s(2.0)


def test_time_in_which_the_worker_waited_for_a_cpu_does_not_count() -> None:
    assert checks_until_hung(HangDetector(10.0, now_s=0.0), 1.0, waits=0.5) == 19  # the first look is the baseline
    assert checks_until_hung(HangDetector(10.0, now_s=0.0), 1.0, waits=1.0) is None


def test_time_in_which_nothing_is_owed_does_not_count() -> None:
    detector = HangDetector(2.0, now_s=0.0)
    detector.skip(100.0)
    assert not detector.check(100.5, 0.0)
    assert detector.silent_s == 0.5


def test_the_smallest_limit_takes_several_checks() -> None:
    assert checks_until_hung(HangDetector(1.0, now_s=0.0), check_interval_s(1.0)) == MIN_CHECKS
