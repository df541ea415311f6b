"""Decides whether a worker's event loop hangs. Does no I/O."""

from __future__ import annotations

INTERVAL_S = 1.0
"""How often a worker is asked for a sign of life. A worker that is asked more often would wake up more often while it
is idle."""

MIN_CHECKS = 4
"""How many checks in a row must miss the answer. When the front was late, the answer may be waiting to be read; it has
been read before the next check."""


def check_interval_s(hang_s: float) -> float:
    """Return how often to check a worker whose limit is `hang_s`, in seconds."""
    return min(INTERVAL_S, hang_s / MIN_CHECKS)


class HangDetector:
    """Adds up how long a worker has not answered, although it could have.

    A check counts for one interval at most, so time in which the front itself was late does not count. Nor does time in
    which the worker's main thread waited for a CPU.

    Args:
        hang_s: the silence after which the worker hangs.
        now_s: the current time, monotonic.
    """

    def __init__(self, hang_s: float, now_s: float) -> None:
        self.hang_s = hang_s
        self._interval_s = check_interval_s(hang_s)
        self._checked_s = now_s
        self._waited_s: float | None = None
        self._silent_s = 0.0

    @property
    def silent_s(self) -> float:
        """How long the worker has not answered, in seconds."""
        return self._silent_s

    def answered(self) -> None:
        """The worker has answered."""
        self._silent_s = 0.0
        self._waited_s = None

    def check(self, now_s: float, cpu_wait_s: float) -> bool:
        """Return whether the worker hangs. Call this once in each interval while an answer is missing.

        Args:
            now_s: the current time, monotonic.
            cpu_wait_s: how long the worker's main thread has waited for a CPU since it began.
        """
        passed_s = now_s - self._checked_s
        waited_s = 0.0 if self._waited_s is None else cpu_wait_s - self._waited_s
        self._checked_s, self._waited_s = now_s, cpu_wait_s
        self._silent_s += max(0.0, min(self._interval_s, passed_s - waited_s))
        return self._silent_s >= self.hang_s

    def skip(self, now_s: float) -> None:
        """The worker owes no answer now."""
        self._checked_s = now_s
        self.answered()
