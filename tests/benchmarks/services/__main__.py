"""The process of the simulated services."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from tests.benchmarks.child import Line, Parent
from tests.benchmarks.services.model import Model
from tests.benchmarks.services.recogniser import Recogniser
from tests.benchmarks.services.voice import Pace, Voice


async def main() -> None:
    parent = Parent()
    sessions: dict[int, Recogniser] = {}
    pace = Pace()

    def listening(call: int) -> None:
        parent.tell({"told": "listening", "call": call})

    def command(line: Line) -> None:
        session, now_s = sessions.get(line.get("call", 0)), time.monotonic()
        match line["do"]:
            case "pace":
                pace.ms_per_word = line["ms_per_word"]
            case "onset" if session is not None:
                session.onset()
            case "partial" if session is not None:
                session.say(line["text"], final=False)
            case "final" if session is not None:
                session.say(line["text"], final=True)
                parent.tell({"told": "final", "tag": line["tag"], "at": now_s})
        if "mark" in line:
            parent.tell({"told": "mark", "mark": line["mark"], "at": now_s})

    ports = [
        await _serve(lambda: Recogniser(sessions, listening)),
        await _serve(lambda: Model(parent.tell)),
        await _serve(lambda: Voice(pace, parent.tell)),
    ]
    parent.tell({"told": "ready", "ports": ports})
    await parent.obey(command)


async def _serve(protocol: Callable[[], asyncio.Protocol]) -> int:
    server = await asyncio.get_running_loop().create_server(protocol, "127.0.0.1", 0, backlog=1024)
    port: int = server.sockets[0].getsockname()[1]
    return port


if __name__ == "__main__":
    asyncio.run(main())
