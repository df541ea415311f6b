"""A process of callers, which the benchmark's own process tells what to do."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Callable
from dataclasses import asdict
from functools import partial

import uvloop

from tests.benchmarks import workload
from tests.benchmarks.callers.caller import REPLY_TIMEOUT_S, Caller, Manner
from tests.benchmarks.callers.microphones import Microphones
from tests.benchmarks.callers.protocols import CALLERS, Stream
from tests.benchmarks.child import Line, Parent

SILENT = Manner(workload.SCRIPTS.index(workload.TALK), workload.LONG, (0, 0), 0)
BETWEEN_ARRIVALS_S = 0.05
LEAVE_TIMEOUT_S = 5.0


class Callers:
    """The calls of this process."""

    def __init__(self, parent: Parent) -> None:
        self._parent = parent
        self._microphones = Microphones()
        self._callers: list[Caller] = []
        self._talking: list[asyncio.Task[None]] = []

    async def obey(self, line: Line) -> None:
        """Carry a command out."""
        match line["do"]:
            case "join":
                self._parent.tell({"told": "joined", "failed": await self._join(line)})
            case "begin":
                for caller in self._callers:
                    caller.heard, caller.errors = caller.heard[-1:], []
            case "collect":
                for task in self._talking:
                    if task.done():
                        task.result()  # says what went wrong in a caller
                heard = [asdict(turn) for caller in self._callers for turn in caller.heard]
                errors = [code for caller in self._callers for code in caller.errors]
                gone = sum(caller.gone.is_set() for caller in self._callers)
                self._parent.tell({"told": "heard", "turns": heard, "errors": errors, "gone": gone})
            case "arrive":
                self._parent.tell({"told": "arrived", "ready_ms": await self._arrive(line)})
            case "leave":
                await self._leave()
                self._parent.tell({"told": "left"})

    async def _join(self, line: Line) -> int:
        """Connect callers one after the other. Returns how many were not let in, or not in time."""
        failed, make, streams = 0, CALLERS[line["protocol"]], line["streams"]
        for index, number in enumerate(line["numbers"]):
            stream = Stream(**streams[index]) if streams else Stream(line["path"])
            try:
                self._begin(await self._connect(line["port"], partial(make, stream, number, Manner(**line["manner"]))))
            except (OSError, TimeoutError):
                failed += 1
        return failed

    def _begin(self, caller: Caller) -> None:
        self._callers.append(caller)
        self._microphones.add(caller)
        self._talking.append(asyncio.create_task(caller.converse()))

    async def _leave(self) -> None:
        for task in self._talking:
            task.cancel()
        await asyncio.gather(*self._talking, return_exceptions=True)
        for caller in self._callers:
            self._microphones.remove(caller)
        await _hang_up(self._callers)
        self._talking, self._callers = [], []

    async def _arrive(self, line: Line) -> list[float]:
        """Return ms from the first packet to `ready`, for callers who arrive together, again and again."""
        samples: list[float] = []

        async def arrive() -> Caller:
            began_s = time.monotonic()
            caller = await self._connect(line["port"], partial(Caller, line["path"], 0, SILENT))
            samples.append((time.monotonic() - began_s) * 1000)
            return caller

        for _ in range(line["times"]):
            await _hang_up(await asyncio.gather(*(arrive() for _ in range(line["at_once"]))))
            await asyncio.sleep(BETWEEN_ARRIVALS_S)
        return samples

    async def _connect(self, port: int, make: Callable[[], Caller]) -> Caller:
        """Connect one caller and wait for `ready`."""
        loop = asyncio.get_running_loop()
        _, caller = await loop.create_connection(make, "127.0.0.1", port)
        async with asyncio.timeout(REPLY_TIMEOUT_S):
            await caller.ready.wait()
        return caller


async def _hang_up(callers: list[Caller]) -> None:
    """End the calls and wait until they are gone."""
    for caller in callers:
        caller.close()
    for caller in callers:
        try:
            async with asyncio.timeout(LEAVE_TIMEOUT_S):
                await caller.gone.wait()
        except TimeoutError:
            caller.transport.abort()


async def main() -> None:
    gc.disable()  # a client must not stop for it
    parent = Parent()
    callers = Callers(parent)
    parent.tell({"told": "ready"})
    await parent.obey(callers.obey)


if __name__ == "__main__":
    uvloop.run(main())
