"""A token bucket: a rate that may be exceeded for a moment."""

from __future__ import annotations

from collections.abc import Callable


class TokenBucket:
    """Holds at most `burst` tokens and gains `per_s` of them a second; begins full.

    Args:
        per_s: what may be used for good.
        burst: what may be used at once.
        clock: seconds, monotonic.
    """

    def __init__(self, per_s: float, burst: float, clock: Callable[[], float]) -> None:
        self._per_s = per_s
        self._burst = burst
        self._clock = clock
        self._tokens = burst
        self._at_s = clock()

    def take(self, tokens: float = 1.0) -> bool:
        """Use tokens, if there are so many."""
        now_s = self._clock()
        self._tokens = min(self._burst, self._tokens + (now_s - self._at_s) * self._per_s)
        self._at_s = now_s
        if tokens > self._tokens:
            return False
        self._tokens -= tokens
        return True
