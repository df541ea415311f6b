"""Starting the benchmark's processes, each on its core, and ending them."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.benchmarks.child import Line

START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 15.0
MAX_LINE_BYTES = 64 << 20
"""What a process saw of hundreds of calls is one line."""


@dataclass(frozen=True)
class Cores:
    """The program under test has a core to itself; the services and the callers share the others."""

    subject: frozenset[int]
    others: frozenset[int]

    @classmethod
    def of_this_machine(cls) -> Cores:
        """The last core is the subject's: systems prefer the first for interrupts. Its sibling thread stays idle."""
        available = sorted(os.sched_getaffinity(0))
        subject = available[-1]
        apart = [core for core in available if core not in _siblings(subject)]
        return cls(frozenset({subject}), frozenset(apart or available[:-1] or available))

    def occupy_others(self) -> None:
        """Keep this process off the subject's core."""
        os.sched_setaffinity(0, self.others)


def _siblings(core: int) -> set[int]:
    """The threads of the same physical core, `core` among them."""
    path = Path(f"/sys/devices/system/cpu/cpu{core}/topology/thread_siblings_list")
    if not path.exists():
        return {core}
    numbers: set[int] = set()
    for part in path.read_text(encoding="ascii").strip().split(","):
        first, _, last = part.partition("-")
        numbers.update(range(int(first), int(last or first) + 1))
    return numbers


@dataclass
class Usage:
    """CPU seconds used and waited for so far, and the memory held, in KB."""

    cpu_s: float
    waited_s: float
    rss_kb: int
    front: Line = field(default_factory=dict)
    """Of the process that listens, where agents run in others: its own CPU seconds and system calls."""


class Child:
    """A process of the benchmark, from this side. What it tells goes to `told`, beside the answers to questions."""

    def __init__(self, process: asyncio.subprocess.Process, told: Callable[[Line], None]) -> None:
        assert process.stdin is not None
        self.process = process
        self._in = process.stdin
        self._told = told
        self._answers: dict[str, asyncio.Future[Line]] = {}

    def tell(self, line: Line) -> None:
        """Send a command."""
        self._in.write(json.dumps(line).encode() + b"\n")

    async def ask(self, line: Line, answer: str, timeout_s: float = START_TIMEOUT_S) -> Line:
        """Send a command and wait for the line it is answered with."""
        waiting = self.expect(answer)
        self.tell(line)
        async with asyncio.timeout(timeout_s):
            return await waiting

    def expect(self, answer: str) -> asyncio.Future[Line]:
        """Return what the next line of that kind will be."""
        waiting = self._answers[answer] = asyncio.get_running_loop().create_future()
        return waiting

    async def usage(self, *, use_up_slack: bool = False) -> Usage:
        """Ask what it has used. `use_up_slack`: let it hold no memory first that it does not use; takes it a moment."""
        line = await self.ask({"do": "usage", "use_up_slack": use_up_slack}, "usage")
        return Usage(line["cpu_s"], line["waited_s"], line["rss_kb"], line.get("front", {}))

    async def read(self) -> None:
        """Hand on what it tells, until it ends."""
        assert self.process.stdout is not None
        while raw := await self.process.stdout.readline():
            line = json.loads(raw)
            waiting = self._answers.pop(line["told"], None)
            if waiting is not None and not waiting.done():
                waiting.set_result(line)
            elif waiting is None:
                self._told(line)
        for waiting in self._answers.values():
            if not waiting.done():
                waiting.set_exception(RuntimeError("the process has ended"))

    async def stop(self) -> None:
        """Hang up and wait; a process that does not end is killed."""
        self._in.close()
        try:
            async with asyncio.timeout(STOP_TIMEOUT_S):
                await self.process.wait()
        except TimeoutError:
            self.process.kill()
            await self.process.wait()


@asynccontextmanager
async def child(
    module: str, *arguments: object, cores: frozenset[int], told: Callable[[Line], None] = lambda _: None
) -> AsyncIterator[tuple[Child, Line]]:
    """Run a module of the benchmark as a process; yields it and what it told when it was ready."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        module,
        *map(str, arguments),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=MAX_LINE_BYTES,
        preexec_fn=lambda: os.sched_setaffinity(0, cores),
    )
    made = Child(process, told)
    ready = made.expect("ready")
    reading = asyncio.create_task(made.read())
    try:
        async with asyncio.timeout(START_TIMEOUT_S):
            line = await ready
        yield made, line
    finally:
        await made.stop()
        await reading
