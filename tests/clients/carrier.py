"""The other end of `tests.clients.telephone`: a carrier that plays to its caller in time, and tells what was played."""

from __future__ import annotations

import asyncio
import base64
import json
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.simulators.waiting import Observable

BYTES_PER_S = 8000


class Carrier(Observable):
    """One call of a telephone.

    Attributes:
        heard_s: how much the caller has heard of all that the agent said.
        clears: how much was heard at each `clear`.
        on_play: called with audio, and the time at which it begins to be played.
        closed: close code and reason; None: the call goes on.
    """

    def __init__(self, ws: ClientConnection) -> None:
        super().__init__()
        self._ws = ws
        self._waiting: deque[bytes | str] = deque()  # audio, and names of marks
        self._came = asyncio.Event()
        self._cut = asyncio.Event()
        self.heard_s = 0.0
        self.clears: list[float] = []
        self.on_play: Callable[[bytes, float], None] | None = None
        self._free_s = 0.0  # when what was played last is over
        self.closed: tuple[int | None, str] | None = None

    async def send(self, event: str, **fields: Any) -> None:
        """Send a frame of the carrier."""
        await self._ws.send(json.dumps({"event": event, "stream": "S1", **fields}))

    async def say(self, mulaw: bytes) -> None:
        """Send the caller's audio."""
        await self.send("media", payload=base64.b64encode(mulaw).decode())

    async def hear_for(self, duration_s: float) -> None:
        """Wait until the caller has heard so much more."""
        until_s = self.heard_s + duration_s
        await self.until(lambda _: self.heard_s >= until_s, 30)

    async def listen(self) -> None:
        """Take what comes until the call ends."""
        try:
            async for raw in self._ws:
                await self._take(json.loads(raw))
        except ConnectionClosed:
            pass
        self.closed = (self._ws.close_code, self._ws.close_reason or "")
        self.changed()

    async def _take(self, frame: dict[str, Any]) -> None:
        assert frame["stream"] == "S1"
        match frame["event"]:
            case "media":
                self._waiting.append(base64.b64decode(frame["payload"]))
            case "mark":
                self._waiting.append(frame["name"])
            case "clear":
                self.clears.append(self.heard_s)
                marks = [each for each in self._waiting if isinstance(each, str)]
                self._waiting.clear()
                self._cut.set()
                for name in marks:  # as carriers do: all that were pending, at once
                    await self.send("mark", name=name)
            case unknown:
                raise AssertionError(f"a carrier knows no {unknown}")
        self._came.set()
        self.changed()

    async def play(self) -> None:
        """Play what waits, in time."""
        while True:
            if not self._waiting:
                self._came.clear()
                await self._came.wait()
                continue
            match self._waiting.popleft():
                case str(name):
                    await self.send("mark", name=name)
                case audio:
                    self._free_s = max(self._free_s, asyncio.get_running_loop().time())
                    if self.on_play is not None:
                        self.on_play(audio, self._free_s)
                    self._free_s += len(audio) / BYTES_PER_S
                    await self._play(len(audio) / BYTES_PER_S)

    async def _play(self, duration_s: float) -> None:
        self._cut.clear()
        began_s, before_s = asyncio.get_running_loop().time(), self.heard_s
        try:
            async with asyncio.timeout(duration_s):
                await self._cut.wait()
        except TimeoutError:
            pass
        self.heard_s = before_s + min(duration_s, asyncio.get_running_loop().time() - began_s)
        self.changed()


@asynccontextmanager
async def telephone(url: str, **parameters: str) -> AsyncIterator[Carrier]:
    """Call an agent by telephone, and hang up."""
    async with connect(url, compression=None) as ws:
        carrier = Carrier(ws)
        async with asyncio.TaskGroup() as tasks:
            working = [tasks.create_task(carrier.listen()), tasks.create_task(carrier.play())]
            try:
                await carrier.send("start", parameters=parameters)
                yield carrier
            finally:
                for task in working:
                    task.cancel()
