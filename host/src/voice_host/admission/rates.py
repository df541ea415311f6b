"""Rate limits: token buckets, for calls that start and for failed authentication."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass

from voice_host.admission.networks import limited_networks

MAX_REMEMBERED = 10_000
"""Callers and addresses that are tracked, about 2 MB. Beyond that, the least recently seen are dropped."""

FIRST_BLOCK_S = 1.0
LONGEST_BLOCK_S = 60.0
"""The longest block after failed attempts: it makes guessing pointless, but does not lock out an office for long if one
of its clients is misconfigured."""


class TokenBucket:
    """Holds at most `burst` tokens and gains `per_s` of them a second; begins full.

    Args:
        per_s: the sustained rate.
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
        """Use tokens. Returns False, without using any, if there are too few."""
        now_s = self._clock()
        self._tokens = min(self._burst, self._tokens + (now_s - self._at_s) * self._per_s)
        self._at_s = now_s
        if tokens > self._tokens:
            return False
        self._tokens -= tokens
        return True


class RateLimiter:
    """Allows each key a number of events per minute, which may come at once.

    Args:
        per_minute: allowed events per key.
        clock: seconds, monotonic.
    """

    def __init__(self, per_minute: float, clock: Callable[[], float]) -> None:
        self._per_minute = per_minute
        self._clock = clock
        self._buckets: OrderedDict[Hashable, TokenBucket] = OrderedDict()

    def take(self, key: Hashable, times: int = 1) -> bool:
        """Count an event of a key whose limit is `times` the usual one. Returns False if it exceeds the limit."""
        bucket = self._buckets.get(key)
        if bucket is None:
            per_minute = times * self._per_minute
            bucket = self._buckets[key] = TokenBucket(per_minute / 60, max(1.0, per_minute), self._clock)
            if len(self._buckets) > MAX_REMEMBERED:
                self._buckets.popitem(last=False)
        self._buckets.move_to_end(key)
        return bucket.take()


@dataclass(slots=True)
class _Failures:
    count: float = 0.0
    """Failures that count now; they expire at the allowed rate."""
    at_s: float = 0.0
    blocked_until_s: float = 0.0


class FailedAttempts:
    """Blocks addresses with too many failed authentications: for 1 s, and twice as long after each further failure.

    Args:
        per_minute: allowed failures per address.
        clock: seconds, monotonic.
    """

    def __init__(self, per_minute: int, clock: Callable[[], float]) -> None:
        self._per_minute = per_minute
        self._clock = clock
        self._failures: OrderedDict[Hashable, _Failures] = OrderedDict()

    def blocked_s(self, client_host: str | None) -> float:
        """Return for how many seconds an address is still blocked; 0: it is not."""
        now_s = self._clock()
        known = (self._failures.get(network) for network, _ in limited_networks(client_host))
        until_s = max((failures.blocked_until_s for failures in known if failures is not None), default=now_s)
        return max(0.0, until_s - now_s)

    def add(self, client_host: str | None) -> None:
        """Count a failed attempt."""
        now_s = self._clock()
        for network, times in limited_networks(client_host):
            failures = self._failures.setdefault(network, _Failures(at_s=now_s))
            self._failures.move_to_end(network)
            most = times * self._per_minute
            failures.count = max(0.0, failures.count - (now_s - failures.at_s) * most / 60) + 1
            failures.at_s = now_s
            if (excess := round(failures.count) - most) >= 0:
                failures.blocked_until_s = now_s + min(LONGEST_BLOCK_S, FIRST_BLOCK_S * 2.0 ** min(excess, 10))
        while len(self._failures) > MAX_REMEMBERED:
            self._failures.popitem(last=False)
