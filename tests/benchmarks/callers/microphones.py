"""All callers' microphones: a frame each 20 ms. Frames of different callers do not come at the same instant."""

from __future__ import annotations

import asyncio
from typing import Protocol

from tests.benchmarks import workload

GROUPS = workload.MICROPHONE_FRAME_MS
_TICK_S = workload.MICROPHONE_FRAME_MS / 1000 / GROUPS


class Source(Protocol):
    """Whose microphone it is."""

    number: int

    def send_microphone(self) -> None: ...


class Microphones:
    """Runs until `stop()`. A tick that comes late is made up for, as a sound card would."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self._groups: list[set[Source]] = [set() for _ in range(GROUPS)]
        self._ticks = 0
        self._begun = loop.time()
        self._timer: asyncio.Handle = loop.call_soon(self._tick)

    def add(self, source: Source) -> None:
        min(self._groups, key=len).add(source)

    def remove(self, source: Source) -> None:
        for group in self._groups:
            group.discard(source)

    def stop(self) -> None:
        self._timer.cancel()

    def _tick(self) -> None:
        loop = asyncio.get_running_loop()
        # Rounded, since floats may make it a trifle less than a whole number. uvloop counts in milliseconds, so that it
        # would not wait for the rest, and this would run in a busy loop.
        due = round((loop.time() - self._begun) / _TICK_S)
        while self._ticks <= due:
            for source in self._groups[self._ticks % GROUPS]:
                source.send_microphone()
            self._ticks += 1
        self._timer = loop.call_at(self._begun + self._ticks * _TICK_S, self._tick)
