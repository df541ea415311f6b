"""How often a host may call."""

from __future__ import annotations

from voice_host.phone.attempts import Attempts, TooManyAttempts
from voice_host.settings.phone import OutboundSettings

ANNA, BERND, CLARA = "+493012345671", "+493012345672", "+493012345673"


class Clock:
    now_s = 5000.0

    def __call__(self) -> float:
        return self.now_s


class Limited:
    """Attempts that are counted if they are allowed."""

    def __init__(self, in_all: int, per_number: int, clock: Clock) -> None:
        self.limits = OutboundSettings(max_attempts_per_hour=in_all, max_attempts_per_number=per_number)
        self.attempts = Attempts(lambda: self.limits, clock)

    def take(self, number: str) -> TooManyAttempts | None:
        if (over := self.attempts.refusal(number)) is None:
            self.attempts.add(number)
        return over


def test_the_limit_of_all_holds_in_any_hour() -> None:
    clock = Clock()
    attempts = Limited(in_all=2, per_number=5, clock=clock)
    assert attempts.take(ANNA) is None
    clock.now_s += 1000
    assert attempts.take(BERND) is None
    over = attempts.take(CLARA)
    assert isinstance(over, TooManyAttempts)
    assert over.limit == "phone.outbound.max_attempts_per_hour"
    assert over.retry_after_s == 2600
    clock.now_s += 2599
    assert attempts.take(CLARA) is not None
    clock.now_s += 1
    assert attempts.take(CLARA) is None
    assert attempts.take(ANNA) is not None


def test_one_number_is_not_called_again_and_again() -> None:
    clock = Clock()
    attempts = Limited(in_all=100, per_number=2, clock=clock)
    assert attempts.take(ANNA) is None
    clock.now_s += 10
    assert attempts.take(ANNA) is None
    over = attempts.take(ANNA)
    assert over is not None
    assert over.limit == "phone.outbound.max_attempts_per_number"
    assert over.reason.startswith(f"{ANNA} has been called 2 times within an hour")
    assert over.retry_after_s == 3590
    assert attempts.take(BERND) is None
    clock.now_s += over.retry_after_s
    assert attempts.take(ANNA) is None


def test_what_was_refused_is_not_counted() -> None:
    clock = Clock()
    attempts = Limited(in_all=1, per_number=1, clock=clock)
    assert attempts.take(ANNA) is None
    clock.now_s += 1800
    assert attempts.take(ANNA) is not None
    assert attempts.take(BERND) is not None
    clock.now_s += 1800
    assert attempts.take(BERND) is None


def test_limits_that_are_changed_hold_at_once() -> None:
    clock = Clock()
    attempts = Limited(in_all=3, per_number=3, clock=clock)
    for number in (ANNA, BERND, CLARA):
        assert attempts.take(number) is None
        clock.now_s += 100
    attempts.limits = OutboundSettings(max_attempts_per_hour=2)
    over = attempts.take(ANNA)
    assert over is not None
    assert over.retry_after_s == 3400  # then Bernd's is an hour ago, too
    attempts.limits = OutboundSettings(max_attempts_per_hour=4)
    assert attempts.take(ANNA) is None
