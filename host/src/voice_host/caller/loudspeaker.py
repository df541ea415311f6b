"""The caller's loudspeaker: plays the agent's speech in time, to nobody. What was played is what a caller has heard."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from voice_host.clock import now_s


class Loudspeaker:
    """Plays PCM16 mono as it comes, one reply after the other.

    Args:
        clock: seconds, monotonic.
    """

    def __init__(self, clock: Callable[[], float] = now_s) -> None:
        self._clock = clock
        self._bytes_per_s = 0
        self._queue = bytearray()
        self._at_s = 0.0
        self._held = False
        self._reply_began = 0
        self._next_reply = False
        self.played = bytearray()
        """All that was played."""

    def start(self, sample_rate: int) -> None:
        """Play at this rate, in Hz."""
        self._bytes_per_s = sample_rate * 2

    def play(self, pcm: bytes) -> None:
        """Play audio after what waits."""
        self._advance()
        if self._next_reply:
            self._next_reply = False
            self._reply_began = len(self.played) + len(self._queue)
        self._queue += pcm

    def end(self) -> None:
        """All audio of a reply has come: what follows is of the next."""
        self._next_reply = True

    def hold(self) -> float:
        """Pause at once. Returns how much of the reply has been played, in ms."""
        self._advance()
        self._held = True
        return 1000 * max(0, len(self.played) - self._reply_began) / self._bytes_per_s

    def release(self) -> None:
        """Go on from where it paused."""
        self._advance()
        self._held = False

    def drop(self) -> None:
        """Fall silent at once, and forget what waits."""
        self._advance()
        self._queue.clear()
        self._held = False
        self.end()

    async def finished(self) -> None:
        """Wait until all that came has been played."""
        self._advance()
        while self._queue:
            await asyncio.sleep(max(0.01, len(self._queue) / self._bytes_per_s))
            self._advance()

    def _advance(self) -> None:
        now_s = self._clock()
        if self._queue and not self._held:
            size = min(len(self._queue), round((now_s - self._at_s) * self._bytes_per_s) & ~1)
            self.played += self._queue[:size]
            del self._queue[:size]
        self._at_s = now_s
