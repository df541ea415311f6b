"""A child process of the benchmark: JSON lines in on stdin, JSON lines out on what was stdout. It ends with stdin."""

from __future__ import annotations

import asyncio
import cProfile
import json
import os
import resource
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from tests.benchmarks.slack import resident_kb, use_up
from tests.benchmarks.tracer import Tracer

Line = dict[str, Any]


class Parent:
    """The process that started this one.

    Args:
        usage: of the program under test; default: of this process.
    """

    def __init__(self, usage: Callable[[], Line] | None = None) -> None:
        self._usage = usage or own_usage
        # Whatever prints must not garble the line to the parent: stdout becomes stderr, and the line keeps a copy.
        self._out = os.dup(1)
        os.dup2(2, 1)
        self._profile: cProfile.Profile | None = None
        self._tracer: Tracer | None = None

    def tell(self, line: Line) -> None:
        """Send one line; the parent reads at once, so a pipe's buffer is room enough."""
        os.write(self._out, json.dumps(line).encode() + b"\n")

    async def obey(self, command: Callable[[Line], Awaitable[None] | None] | None = None) -> None:
        """Carry out the parent's commands until it hangs up."""
        reader = asyncio.StreamReader()
        await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        while line := await reader.readline():
            message = json.loads(line)
            match message["do"]:
                case "usage":
                    if message.get("use_up_slack"):
                        use_up()
                    self.tell({"told": "usage", **self._usage()})
                case "profile":
                    self._profile = cProfile.Profile()
                    self._profile.enable()
                case "save_profile" if self._profile is not None:
                    self._profile.disable()
                    self._profile.dump_stats(message["path"])
                    self.tell({"told": "profile"})
                case "trace":
                    self._tracer = Tracer()
                case "traced" if self._tracer is not None:
                    self.tell({"told": "trace", **self._tracer.stop()})
                case _ if command is not None and (work := command(message)) is not None:
                    await work


def own_usage() -> Line:
    """CPU seconds this process has used and has waited for its core, and the KB of memory it holds."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    waited_ns = int(Path("/proc/self/schedstat").read_text(encoding="ascii").split()[1])
    return {
        "cpu_s": used.ru_utime + used.ru_stime,
        "waited_s": waited_ns / 1e9,
        "rss_kb": resident_kb(),
    }
