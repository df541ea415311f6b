"""How long to wait before a service is tried again."""

from __future__ import annotations

import random

_MAX_DOUBLINGS = 60
"""More would overflow a float in the end, and any maximum is reached before."""


def backoff_s(failures: int, *, first_s: float, max_s: float) -> float:
    """Return the wait before the next attempt, in seconds: exponential, with jitter.

    The jitter spreads the calls of a host, which would otherwise all reconnect in the same moment.

    Args:
        failures: attempts that failed since the service last worked, at least 1.
        first_s: the wait after the first failure; it doubles with each further one. Up to as much is added at random.
        max_s: no wait is longer.
    """
    doublings = min(failures - 1, _MAX_DOUBLINGS)
    return min(max_s, first_s * (2.0**doublings + random.random()))
