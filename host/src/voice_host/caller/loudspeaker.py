"""A virtual loudspeaker: consumes the agent's speech in real time. What it has played, the caller has heard."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from voice_host.clock import now_s


class Loudspeaker:
    """Plays PCM16 mono, one reply after the other.

    Args:
        clock: a monotonic clock, in seconds.
    """

    def __init__(self, clock: Callable[[], float] = now_s) -> None:
        self._clock = clock
        self._bytes_per_s = 0
        self._queue = bytearray()
        self._at_s = 0.0
        self._held = False
        self._reply_began = 0
        self._next_reply = False
        self._played = bytearray()

    @property
    def played(self) -> bytes:
        """All audio that was played so far."""
        self._advance()
        return bytes(self._played)

    @property
    def is_playing(self) -> bool:
        """Whether there is audio that has not been played."""
        self._advance()
        return bool(self._queue)

    @property
    def played_ms(self) -> float:
        """How much of the present reply has been played."""
        self._advance()
        return 1000 * max(0, len(self._played) - self._reply_began) / self._bytes_per_s

    @property
    def backlog_s(self) -> float:
        """How long it will take to play what is queued."""
        self._advance()
        return len(self._queue) / self._bytes_per_s

    def start(self, sample_rate: int) -> None:
        """Set the sample rate, in Hz."""
        self._bytes_per_s = sample_rate * 2

    def play(self, pcm: bytes) -> None:
        """Queue audio."""
        self._advance()
        if self._next_reply:
            self._next_reply = False
            self._reply_began = len(self._played) + len(self._queue)
        self._queue += pcm

    def end(self) -> None:
        """All audio of a reply has been queued: what follows belongs to the next reply."""
        self._next_reply = True

    def hold(self) -> float:
        """Pause at once and return how much of the reply has been played, in ms."""
        played_ms = self.played_ms
        self._held = True
        return played_ms

    def release(self) -> None:
        """Continue where it was paused."""
        self._advance()
        self._held = False

    def drop(self) -> None:
        """Stop at once and clear the queue."""
        self._advance()
        self._queue.clear()
        self._held = False
        self.end()

    async def finished(self) -> None:
        """Wait until all queued audio has been played."""
        self._advance()
        while self._queue:
            await asyncio.sleep(max(0.01, len(self._queue) / self._bytes_per_s))
            self._advance()

    def _advance(self) -> None:
        now_s = self._clock()
        if self._queue and not self._held:
            size = min(len(self._queue), round((now_s - self._at_s) * self._bytes_per_s) & ~1)
            self._played += self._queue[:size]
            del self._queue[:size]
        self._at_s = now_s
