"""All callers' microphones: a frame each 20 ms, in a few groups so that not all frames come at the same instant."""

from __future__ import annotations

import asyncio
from typing import Protocol

from tests.benchmarks import workload

GROUPS = 4
_TICK_S = workload.MICROPHONE_FRAME_MS / 1000 / GROUPS


class Source(Protocol):
    """Whose microphone it is."""

    number: int
    microphone_frame: bytes

    def send_frame(self, data: bytes) -> None: ...


class Microphones:
    """Runs until `stop()`. A tick that comes late is made up for, as a sound card would."""

    def __init__(self) -> None:
        self._groups: list[set[Source]] = [set() for _ in range(GROUPS)]
        self._ticks = 0
        self._begun = asyncio.get_running_loop().time()
        self._timer: asyncio.Handle = asyncio.get_running_loop().call_soon(self._tick)

    def add(self, source: Source) -> None:
        self._groups[source.number % GROUPS].add(source)

    def remove(self, source: Source) -> None:
        self._groups[source.number % GROUPS].discard(source)

    def stop(self) -> None:
        self._timer.cancel()

    def _tick(self) -> None:
        for source in self._groups[self._ticks % GROUPS]:
            source.send_frame(source.microphone_frame)
        self._ticks += 1
        self._timer = asyncio.get_running_loop().call_at(self._begun + self._ticks * _TICK_S, self._tick)
