"""How often the host may call: `[phone.outbound] max_attempts_per_hour` and `max_attempts_per_number`."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from voice_host.settings.phone import OutboundSettings

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
        settings: returns the present limits.
        clock: seconds, monotonic.
    """

    def __init__(
        self,
        settings: Callable[[], OutboundSettings],
        clock: Callable[[], float] = time.monotonic,  # noqa: TID251 (outside of any call)
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._made: deque[tuple[float, str]] = deque()

    def refusal(self, number: str) -> TooManyAttempts | None:
        """Return why a number may not be called now; None: it may."""
        now_s = self._clock()
        while self._made and self._made[0][0] <= now_s - WINDOW_S:
            self._made.popleft()
        limits = self._settings()
        to_it = [at_s for at_s, made_to in self._made if made_to == number]
        if len(to_it) >= (most := limits.max_attempts_per_number):
            reason = f"{number} has been called {most} times within an hour"
            return _refusal("max_attempts_per_number", reason, to_it[-most] - now_s)
        if len(self._made) >= (most := limits.max_attempts_per_hour):
            reason = f"this host has made {most} calls within an hour"
            return _refusal("max_attempts_per_hour", reason, self._made[-most][0] - now_s)
        return None

    def add(self, number: str) -> None:
        """Count an attempt."""
        self._made.append((self._clock(), number))


def _refusal(setting: str, reason: str, first_ago_s: float) -> TooManyAttempts:
    name = f"phone.outbound.{setting}"
    return TooManyAttempts(name, f"{reason}, which is the limit ({name})", math.ceil(first_ago_s + WINDOW_S))
