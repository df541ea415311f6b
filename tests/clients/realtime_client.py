"""A client of the OpenAI Realtime protocol that plays to its caller in time, and stops as the agents SDKs do."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.clients.realtime_reader import Reader
from tests.simulators.waiting import Observable


class RealtimeClient(Observable):
    """One session.

    Args:
        truncates: whether it tells what it has played when it stops.

    Attributes:
        reader: has checked all events.
        heard_ms: how much was played of the last item.
        truncated: what was told: item and milliseconds.
    """

    def __init__(self, ws: ClientConnection, *, truncates: bool = True) -> None:
        super().__init__()
        self._ws = ws
        self._truncates = truncates
        self.reader = Reader()
        self.item: str | None = None
        self._began_s = self._received_ms = 0.0
        self.truncated: list[tuple[str, int]] = []
        self.closed: tuple[int | None, str] | None = None

    @property
    def played_ms(self) -> float:
        """How much of the last item was played, if playing began with its first audio."""
        if self.item is None:
            return 0.0
        return min(self._received_ms, (asyncio.get_running_loop().time() - self._began_s) * 1000)

    async def send(self, kind: str, **fields: Any) -> None:
        """Send an event."""
        await self._ws.send(json.dumps({"type": kind, **fields}))

    async def send_binary(self, frame: bytes) -> None:
        """Send what the protocol does not have."""
        await self._ws.send(frame)

    async def say(self, audio: bytes = bytes(4800)) -> None:
        """Send audio of the caller, 0.1 s of silence by default."""
        await self.send("input_audio_buffer.append", audio=base64.b64encode(audio).decode())

    async def type(self, text: str, event_id: str | None = None) -> None:
        """Send a typed turn."""
        content = [{"type": "input_text", "text": text}]
        await self.send("conversation.item.create", item={"type": "message", "role": "user", "content": content})
        await self.send("response.create", **({} if event_id is None else {"event_id": event_id}))

    async def came(self, kind: str, count: int = 1) -> dict[str, Any]:
        """Wait until so many events of a type have come, and return the last of them."""
        await self.until(lambda _: len(self.reader.of(kind)) >= count, 30)
        return self.reader.of(kind)[count - 1]

    async def hear_for(self, duration_ms: float) -> None:
        """Wait until so much of the last item was played."""
        await self.until(lambda _: self.item is not None, 30)
        await asyncio.sleep(duration_ms / 1000 - (asyncio.get_running_loop().time() - self._began_s))

    async def listen(self) -> None:
        """Take what comes until the session ends."""
        try:
            async for raw in self._ws:
                event = json.loads(raw)
                self.reader.take(event)
                await self._take(event)
                self.changed()
        except ConnectionClosed:
            pass
        self.closed = (self._ws.close_code, self._ws.close_reason or "")
        self.changed()

    async def _take(self, event: dict[str, Any]) -> None:
        match event["type"]:
            case "response.output_audio.delta":
                if event["item_id"] != self.item:
                    self.item, self._received_ms = event["item_id"], 0.0
                    self._began_s = asyncio.get_running_loop().time()
                self._received_ms += len(base64.b64decode(event["delta"])) / 48
            case "input_audio_buffer.speech_started":
                await self.stop_playing()

    async def stop_playing(self) -> None:
        """Drop what was not played."""
        if self.item is None:
            return
        item, played_ms, self.item = self.item, round(self.played_ms), None
        played_out = played_ms >= self._received_ms and self.reader.active is None
        if self._truncates and not played_out:
            self.truncated.append((item, played_ms))
            await self.send("conversation.item.truncate", item_id=item, content_index=0, audio_end_ms=played_ms)


@asynccontextmanager
async def realtime(
    url: str, *, truncates: bool = True, after_s: float = 0.0, **session: Any
) -> AsyncIterator[RealtimeClient]:
    """Open a session, and close it at the end. `session`: what the client asks for first, `after_s` later."""
    async with connect(url, compression=None) as ws:
        client = RealtimeClient(ws, truncates=truncates)
        async with asyncio.TaskGroup() as tasks:
            listening = tasks.create_task(client.listen())
            try:
                await asyncio.sleep(after_s)
                await client.send("session.update", session={"type": "realtime", **session})
                yield client
                await ws.close()
            finally:
                listening.cancel()
