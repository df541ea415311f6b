"""How often calls may start, and authentication may fail."""

from __future__ import annotations

import pytest

from voice_host.admission import Admission, Refusal
from voice_host.admission import rates as module
from voice_host.admission.rates import LONGEST_BLOCK_S, FailedAttempts, RateLimiter
from voice_host.settings import LimitsSettings
from voice_host_sdk import Caller


class Clock:
    def __init__(self) -> None:
        self.s = 1000.0

    def __call__(self) -> float:
        return self.s


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_a_minutes_worth_may_come_at_once_and_then_one_at_a_time(clock: Clock) -> None:
    limiter = RateLimiter(60, clock)
    assert [limiter.take("a") for _ in range(61)] == [True] * 60 + [False]
    assert limiter.take("b")
    clock.s += 1
    assert [limiter.take("a") for _ in range(2)] == [True, False]


def test_what_is_remembered_is_bounded(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_REMEMBERED", 2)
    limiter = RateLimiter(1, clock)
    for key in "abc":
        limiter.take(key)
    assert limiter.take("a"), "forgotten"
    assert not limiter.take("c")


def test_failures_block_an_address_for_longer_and_longer(clock: Clock) -> None:
    failed = FailedAttempts(10, clock)
    for _ in range(9):
        failed.add("192.0.2.1")
    assert failed.blocked_s("192.0.2.1") == 0
    waits = []
    for _ in range(8):
        failed.add("192.0.2.1")
        waits.append(failed.blocked_s("192.0.2.1"))
    assert waits == [1, 2, 4, 8, 16, 32, LONGEST_BLOCK_S, LONGEST_BLOCK_S]
    assert failed.blocked_s("192.0.2.2") == 0
    clock.s += LONGEST_BLOCK_S
    assert failed.blocked_s("192.0.2.1") == 0
    clock.s += 3600
    failed.add("192.0.2.1")
    assert failed.blocked_s("192.0.2.1") == 0, "old failures are forgotten"


def test_failures_are_those_of_a_whole_ipv6_network(clock: Clock) -> None:
    failed = FailedAttempts(10, clock)
    for n in range(10):
        failed.add(f"2001:db8::{n}")
    assert failed.blocked_s("2001:db8::ffff") == 1
    assert failed.blocked_s("2001:db8:0:1::1") == 0
    for n in range(30):
        failed.add(f"2001:db8:0:{n + 1:x}::1")
    assert failed.blocked_s("2001:db8:0:ffff::1") == 1, "forty of one /48"


def test_loopback_is_never_blocked(clock: Clock) -> None:
    failed = FailedAttempts(1, clock)
    for host in ("127.0.0.1", "::1", "::ffff:127.0.0.1", None, ""):
        for _ in range(5):
            failed.add(host)
        assert failed.blocked_s(host) == 0


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ((Caller("ada"), "192.0.2.1"), (Caller("ada"), "192.0.2.2"), True),
        ((Caller("ada"), None), (Caller("bob"), None), False),
        ((None, "192.0.2.1"), (Caller("bob"), "192.0.2.1"), True),
        ((None, "127.0.0.1"), (None, "127.0.0.1"), False),
    ],
)
def test_calls_that_start_too_quickly_are_refused(
    clock: Clock, first: tuple[Caller | None, str | None], second: tuple[Caller | None, str | None], same: bool
) -> None:
    admission = Admission(LimitsSettings(max_call_starts_per_minute=1), clock=clock)
    admission.lease("one", "desk", *first)
    answer = admission.lease("two", "desk", *second)
    assert isinstance(answer, Refusal) is same
    if isinstance(answer, Refusal):
        assert answer.limit == "max_call_starts_per_minute"
    clock.s += 60
    assert not isinstance(admission.lease("three", "desk", *second), Refusal)


def test_a_connection_that_replaces_another_one_starts_no_call(clock: Clock) -> None:
    admission = Admission(LimitsSettings(max_call_starts_per_minute=1), clock=clock)
    assert not isinstance(admission.lease("one", "desk", Caller("ada")), Refusal)
    assert not isinstance(admission.lease("one", "desk", Caller("ada")), Refusal)
    assert isinstance(admission.lease("two", "desk", Caller("ada")), Refusal)


def test_many_networks_of_one_site_share_a_limit() -> None:
    admission = Admission(LimitsSettings(max_calls_per_address=2))
    answers = [admission.lease(str(n), "desk", None, f"2001:db8:0:{n:x}::1") for n in range(12)]
    assert [isinstance(answer, Refusal) for answer in answers] == [False] * 8 + [True] * 4
    assert not isinstance(admission.lease("last", "desk", None, "2001:db8:1::1"), Refusal), "another /48"
