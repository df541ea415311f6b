"""The loudspeaker of a simulated telephone: plays in real time, and tells of the marks between what it plays."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

from tests.simulators.waiting import Observable


class PhoneSpeaker(Observable):
    """Plays what a carrier was sent.

    Args:
        bytes_per_s: of the audio.
        passed: called with each mark when what was sent before it has been played.

    Attributes:
        heard: all that was played so far.
        clears: how many seconds had been played at each `clear`.
    """

    def __init__(self, bytes_per_s: int, passed: Callable[[str], Awaitable[None]]) -> None:
        super().__init__()
        self._bytes_per_s = bytes_per_s
        self._passed = passed
        self._waiting: deque[bytes | str] = deque()  # audio, and names of marks
        self._came = asyncio.Event()
        self._cleared = asyncio.Event()
        self.heard = bytearray()
        self.clears: list[float] = []

    @property
    def heard_s(self) -> float:
        """How much was played so far."""
        return len(self.heard) / self._bytes_per_s

    @property
    def waiting(self) -> bool:
        """Whether anything waits to be played."""
        return bool(self._waiting)

    def add(self, item: bytes | str) -> None:
        """Queue audio, or a mark."""
        self._waiting.append(item)
        self._came.set()

    def clear(self) -> list[str]:
        """Stop playing, drop what is queued, and return the marks among it."""
        marks = [each for each in self._waiting if isinstance(each, str)]
        self._waiting.clear()
        self._cleared.set()
        self.clears.append(self.heard_s)
        self.changed()
        return marks

    async def hear_for(self, duration_s: float) -> None:
        """Wait until so much more has been played."""
        until_s = self.heard_s + duration_s
        await self.until(lambda _: self.heard_s >= until_s, 30)

    async def run(self) -> None:
        """Play until cancelled."""
        while True:
            if not self._waiting:
                self._came.clear()
                await self._came.wait()
                continue
            item = self._waiting[0]
            if isinstance(item, bytes):
                await self._play(item)
            else:
                self._waiting.popleft()
                await self._passed(item)

    async def _play(self, audio: bytes) -> None:
        loop = asyncio.get_running_loop()
        self._cleared.clear()
        began_s, done = loop.time(), 0
        while done < len(audio):
            target = min(len(audio), done + self._bytes_per_s // 50)
            try:
                async with asyncio.timeout_at(began_s + target / self._bytes_per_s):
                    await self._cleared.wait()
                target = min(target, int((loop.time() - began_s) * self._bytes_per_s) // 2 * 2)
            except TimeoutError:
                pass
            self.heard += audio[done:target]
            done = target
            self.changed()
            if self._cleared.is_set():
                return
        self._waiting.popleft()
