"""Exponential backoff."""

from __future__ import annotations

import random

_MAX_DOUBLINGS = 60
"""Limit of the exponent, to avoid an overflow. Any maximum is reached before."""


def backoff_s(failures: int, *, first_s: float, max_s: float) -> float:
    """Return the wait before the next attempt, in seconds: exponential, with jitter.

    The jitter spreads the calls of a host, which would otherwise all reconnect at the same time.

    Args:
        failures: attempts that failed since the service last worked, at least 1.
        first_s: the wait after the first failure, which doubles with each further one. At random, up to the same again
            is added.
        max_s: the longest wait.
    """
    doublings = min(failures - 1, _MAX_DOUBLINGS)
    return min(max_s, first_s * (2.0**doublings + random.random()))
