"""How long to wait before a service is tried again."""

from __future__ import annotations

from tenacity import AsyncRetrying, RetryCallState
from tenacity.wait import wait_base, wait_exponential_jitter


class Backoff:
    """The waits of one line: `next_s()` before each attempt, `reset()` when it works again.

    Args:
        first_s: before the first attempt; each wait is twice the last. At most as much is added by chance, so that the
            calls of a host do not all come back in the same moment.
        max_s: no wait is longer.
        wait: other waits, for tests.
    """

    def __init__(self, first_s: float, max_s: float, wait: wait_base | None = None) -> None:
        self._wait = wait or wait_exponential_jitter(multiplier=first_s, max=max_s, jitter=first_s)
        self.reset()

    def next_s(self) -> float:
        """Return the wait before the next attempt, in seconds."""
        wait_s = float(self._wait(self._state))
        self._state.attempt_number += 1
        return wait_s

    def reset(self) -> None:
        """Begin again with the first wait."""
        self._state = RetryCallState(AsyncRetrying(), None, (), {})
