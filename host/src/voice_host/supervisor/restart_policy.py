"""Decides when workers that ended are started again, and when to give up. Does no I/O."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from voice_host.backoff import backoff_s


@dataclass(frozen=True, slots=True)
class RestartLimits:
    """How persistently a group's workers are started again. Times in seconds.

    Attributes:
        first_s: the wait after the first failure; it doubles with each further one.
        max_s: the longest wait.
        failures: so many failures within `window_s`, and the agent is broken. Beyond the backoff's sixth wait an agent
            is down for longer than callers try to come back.
        window_s: failures that are older are forgotten, by the limit and by the backoff.
    """

    first_s: float = 0.1
    max_s: float = 30.0
    failures: int = 8
    window_s: float = 600.0


class RestartPolicy:
    """Counts the failures of a group of workers.

    Args:
        workers: how many workers the group has. One cause may end all of them at once, so a large group may fail more
            often.
        limits: see there.
    """

    def __init__(self, workers: int = 1, limits: RestartLimits | None = None) -> None:
        self._limits = limits or RestartLimits()
        self._most = max(self._limits.failures, 2 * workers if workers > 1 else 0)
        self._failed_s: deque[float] = deque()

    def failed(self, now_s: float) -> float | None:
        """Count a failure, and return how long to wait before the next start; None: give up.

        Args:
            now_s: the current time, monotonic.
        """
        self._failed_s.append(now_s)
        while now_s - self._failed_s[0] > self._limits.window_s:
            self._failed_s.popleft()
        if len(self._failed_s) >= self._most:
            return None
        return backoff_s(len(self._failed_s), first_s=self._limits.first_s, max_s=self._limits.max_s)

    @property
    def failures(self) -> int:
        """How many failures count now."""
        return len(self._failed_s)

    def reset(self) -> None:
        """Forget all failures: somebody has asked for a restart."""
        self._failed_s.clear()
