"""How often the host may call: `[phone.outbound] max_attempts_per_hour` and `max_attempts_per_number`."""

from __future__ import annotations

import math
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass

WINDOW_S = 3600.0


@dataclass(frozen=True, slots=True)
class TooManyAttempts:
    """An attempt that exceeds a limit.

    Attributes:
        limit: the name of the setting.
        reason: for the client.
        retry_after_s: when the next attempt is allowed.
    """

    limit: str
    reason: str
    retry_after_s: int


class Attempts:
    """Counts attempts to call, in all and by number, in any 60 minutes. Belongs to one event loop.

    The limit of all attempts also bounds what is kept. Nothing outlasts the process.

    Args:
        in_all: limit of all attempts together.
        per_number: limit of the attempts to reach one number.
        clock: seconds, monotonic.
    """

    def __init__(
        self,
        in_all: int,
        per_number: int,
        clock: Callable[[], float] = time.monotonic,  # noqa: TID251 (outside of any call)
    ) -> None:
        self._in_all = in_all
        self._per_number = per_number
        self._clock = clock
        self._made: deque[tuple[float, str]] = deque()
        self._of: Counter[str] = Counter()

    def take(self, number: str) -> TooManyAttempts | None:
        """Count an attempt. None: it is allowed; otherwise it is not counted."""
        now_s = self._clock()
        while self._made and self._made[0][0] <= now_s - WINDOW_S:
            _, expired = self._made.popleft()
            self._of[expired] -= 1
            if not self._of[expired]:
                del self._of[expired]
        if self._of[number] >= self._per_number:
            first_s = next(at_s for at_s, made_to in self._made if made_to == number)
            reason = f"{number} has been called {self._per_number} times within an hour"
            return self._refusal("max_attempts_per_number", reason, first_s - now_s)
        if len(self._made) >= self._in_all:
            reason = f"this host has made {self._in_all} calls within an hour"
            first_s = self._made[0][0] if self._made else now_s
            return self._refusal("max_attempts_per_hour", reason, first_s - now_s)
        self._made.append((now_s, number))
        self._of[number] += 1
        return None

    @staticmethod
    def _refusal(setting: str, reason: str, first_ago_s: float) -> TooManyAttempts:
        name = f"phone.outbound.{setting}"
        return TooManyAttempts(name, f"{reason}, which is the limit ({name})", math.ceil(first_ago_s + WINDOW_S))
