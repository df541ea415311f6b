"""A client of the call protocol that records every frame in the order it came."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.simulators.waiting import Observable

Frame = dict[str, Any]


class TestCaller(Observable):
    """One call. `frames` holds messages as they are, and audio as `{"type": "audio", "pcm": ...}`."""

    __test__ = False

    def __init__(self, ws: ClientConnection) -> None:
        super().__init__()
        self.ws = ws
        self.frames: list[Frame] = []
        self.closed: tuple[int | None, str] | None = None

    async def listen(self) -> None:
        try:
            async for frame in self.ws:
                self.frames.append({"type": "audio", "pcm": frame} if isinstance(frame, bytes) else json.loads(frame))
                self.changed()
        except ConnectionClosed:
            pass
        self.closed = (self.ws.close_code, self.ws.close_reason or "")
        self.changed()

    def all(self, kind: str, **fields: Any) -> list[Frame]:
        return [f for f in self.frames if f["type"] == kind and all(f.get(k) == v for k, v in fields.items())]

    async def expect(self, kind: str, *, count: int = 1, timeout_s: float = 10.0, **fields: Any) -> Frame:
        """Wait for the n-th frame of a kind with these fields."""
        with suppress(TimeoutError):
            await self.until(lambda _: len(self.all(kind, **fields)) >= count or self.closed is not None, timeout_s)
        found = self.all(kind, **fields)
        assert len(found) >= count, f"no {kind} {fields}; closed {self.closed}; got {self.kinds()}"
        return found[count - 1]

    async def ended(self, timeout_s: float = 10.0) -> tuple[int | None, str]:
        await self.until(lambda _: self.closed is not None, timeout_s)
        assert self.closed is not None
        return self.closed

    def kinds(self) -> list[str]:
        """The types of the frames so far, runs of audio and of deltas as one."""
        kinds: list[str] = []
        for frame in self.frames:
            if not (kinds and kinds[-1] == frame["type"] and frame["type"] in ("audio", "reply_delta", "transcript")):
                kinds.append(frame["type"])
        return kinds

    def audio_after(self, frame: Frame) -> bytes:
        index = next(i for i, candidate in enumerate(self.frames) if candidate is frame)
        return b"".join(f["pcm"] for f in self.frames[index:] if f["type"] == "audio")

    @property
    def audio(self) -> bytes:
        return b"".join(f["pcm"] for f in self.frames if f["type"] == "audio")

    async def send(self, kind: str, **fields: Any) -> None:
        await self.ws.send(json.dumps({"type": kind, **fields}))

    async def type(self, text: str) -> None:
        await self.send("text", text=text)

    async def speak(self, pcm: bytes, frame_ms: int = 20, sample_rate: int = 16000) -> None:
        """Send microphone audio in frames of `frame_ms`, in real time."""
        size = sample_rate * 2 * frame_ms // 1000
        due_s = asyncio.get_running_loop().time()
        for start in range(0, len(pcm), size):
            await self.ws.send(pcm[start : start + size])
            due_s += frame_ms / 1000
            await asyncio.sleep(max(0.0, due_s - asyncio.get_running_loop().time()))


@asynccontextmanager
async def calling(url: str, **options: Any) -> AsyncIterator[TestCaller]:
    """Place a call; hang up when leaving."""
    async with connect(url, compression=None, max_size=None, **options) as ws:
        caller = TestCaller(ws)
        listening = asyncio.create_task(caller.listen())
        try:
            yield caller
        finally:
            await ws.close()
            await listening
