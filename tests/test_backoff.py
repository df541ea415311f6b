"""The waits between attempts."""

from __future__ import annotations

from voice_host.backoff import backoff_s


def test_waits_double_up_to_the_longest_and_are_spread() -> None:
    waits = [backoff_s(failures, first_s=0.2, max_s=3) for failures in range(1, 8)]
    assert all(low <= wait <= min(low + 0.2, 3) for low, wait in zip([0.2, 0.4, 0.8, 1.6, 3, 3, 3], waits, strict=True))
    assert len({backoff_s(1, first_s=0.2, max_s=3) for _ in range(5)}) > 1


def test_a_service_that_is_away_for_days_is_still_tried() -> None:
    assert backoff_s(100_000, first_s=0.2, max_s=8) == 8
