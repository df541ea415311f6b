"""The services from the callers' side: what they are told to say, and what they report about it."""

from __future__ import annotations

import asyncio
import itertools
import time

from tests.benchmarks.child import Line
from tests.benchmarks.processes import Child
from tests.benchmarks.turns import Turn

LISTEN_TIMEOUT_S = 20.0


class ServicesLink:
    """Commands to the services. `child` is set once their process runs."""

    def __init__(self) -> None:
        self.child: Child
        self._turns: dict[str, Turn] = {}
        self._listening: dict[int, asyncio.Event] = {}
        self._marks: dict[int, asyncio.Future[float]] = {}
        self._numbers = itertools.count(1)

    def told(self, line: Line) -> None:
        """Take what the services report."""
        if line["told"] == "listening":
            self._heard(line["call"]).set()
        elif line["told"] == "mark":
            mark = self._marks.pop(line["mark"], None)
            if mark is not None and not mark.done():  # who waited may have been told to stop
                mark.set_result(line["at"])
        elif (turn := self._turns.get(line["tag"])) is not None:
            match line["told"]:
                case "final":
                    turn.note(final_at=line["at"])
                case "request":
                    turn.note(requested_at=line["at"])
                case "token":
                    turn.note(token_at=line["at"])
                case "voice":
                    turn.note(trigger_at=line["trigger"], spoken_at=line["at"])

    def set_pace(self, ms_per_word: int) -> None:
        """How slowly the voice speaks from now on."""
        self.child.tell({"do": "pace", "ms_per_word": ms_per_word})

    async def listening(self, call: int) -> None:
        """Wait until the recogniser hears that call."""
        async with asyncio.timeout(LISTEN_TIMEOUT_S):
            await self._heard(call).wait()

    async def onset(self, call: int) -> float:
        """Have the recogniser notice speech; returns when it said so."""
        return await self._marked({"do": "onset", "call": call})

    async def partial(self, call: int, text: str) -> float:
        """Have the recogniser send a partial transcript; returns when it did."""
        return await self._marked({"do": "partial", "call": call, "text": text})

    def final(self, call: int, text: str, turn: Turn) -> None:
        """Have the recogniser end the turn."""
        self._turns[turn.tag] = turn
        self.child.tell({"do": "final", "call": call, "text": f"{text} {turn.tag}", "tag": turn.tag})

    def forget(self, turn: Turn) -> None:
        """The turn is over."""
        self._turns.pop(turn.tag, None)

    async def _marked(self, line: Line) -> float:
        mark = next(self._numbers)
        waiting: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        self._marks[mark] = waiting
        self.child.tell({**line, "mark": mark})
        try:
            async with asyncio.timeout(LISTEN_TIMEOUT_S):
                return await waiting
        except TimeoutError:
            self._marks.pop(mark, None)
            return time.monotonic()

    def _heard(self, call: int) -> asyncio.Event:
        return self._listening.setdefault(call, asyncio.Event())
