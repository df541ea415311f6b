"""A process of simulated services: `python -m tests.benchmarks.services KIND...`, kinds as in `services`."""

from __future__ import annotations

import asyncio
import gc
import sys
from collections.abc import Callable

import uvloop

from tests.benchmarks.child import Line, Parent
from tests.benchmarks.events import Events
from tests.benchmarks.services.delays import Delays
from tests.benchmarks.services.model import Model
from tests.benchmarks.services.recogniser import Listener, Recogniser
from tests.benchmarks.services.voice import Pace, Voice


async def main(kinds: list[str]) -> None:
    parent = Parent()
    events = Events()
    delays: list[Delays] = []
    pace = Pace()
    protocols: dict[str, Callable[[], asyncio.Protocol]] = {
        "recogniser": lambda: Recogniser(events, delays),
        "listener": lambda: Listener(events, delays),
        "model": lambda: Model(events),
        "voice": lambda: Voice(pace, events),
    }

    def command(line: Line) -> None:
        match line["do"]:
            case "pace":
                pace.ms_per_word = line["ms_per_word"]
            case "begin":
                for call in delays:
                    call.clear()
            case "collect":
                events.report(parent, delays=[call.summary() for call in delays])

    gc.disable()  # a simulator must not stop for it
    parent.tell({"told": "ready", "ports": {kind: await _serve(protocols[kind]) for kind in kinds}})
    await parent.obey(command)


async def _serve(protocol: Callable[[], asyncio.Protocol]) -> int:
    server = await asyncio.get_running_loop().create_server(protocol, "127.0.0.1", 0, backlog=1024)
    port: int = server.sockets[0].getsockname()[1]
    return port


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1:]))
