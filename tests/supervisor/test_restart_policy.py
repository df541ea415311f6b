"""When a worker that ended is started again."""

from __future__ import annotations

import itertools

from voice_host.supervisor.restart_policy import RestartLimits, RestartPolicy


def test_the_wait_grows() -> None:
    policy = RestartPolicy(limits=RestartLimits(failures=20))
    waits = [policy.failed(0.0) or 0.0 for _ in range(12)]
    assert 0.1 <= waits[0] <= 0.2
    assert all(later >= earlier / 2 for earlier, later in itertools.pairwise(waits))  # there is jitter
    assert 25.6 <= waits[8] <= 30.0
    assert waits[11] == 30.0


def test_repeated_failures_are_given_up() -> None:
    policy = RestartPolicy(limits=RestartLimits(failures=3))
    assert policy.failed(0.0) is not None
    assert policy.failed(1.0) is not None
    assert policy.failed(2.0) is None
    assert policy.failures == 3


def test_failures_that_are_long_ago_are_forgotten() -> None:
    policy = RestartPolicy(limits=RestartLimits(failures=3, window_s=60.0))
    for hour in range(50):
        assert (policy.failed(hour * 3600.0) or 1.0) <= 0.2


def test_a_restart_by_hand_forgets_them() -> None:
    policy = RestartPolicy(limits=RestartLimits(failures=2))
    assert policy.failed(0.0) is not None
    assert policy.failed(0.0) is None
    policy.reset()
    assert policy.failed(0.0) is not None


def test_a_large_group_may_fail_at_once() -> None:
    policy = RestartPolicy(workers=16)
    assert [policy.failed(0.0) is None for _ in range(16)].count(True) == 0
