"""The WebSocket to the caller: one frame at a time, and none on behalf of a reply that is dead."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Protocol

from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from voice_host.clients.close_codes import CloseCode, fit_reason
from voice_host.clients.messages import Message
from voice_host.clients.transport.asgi import FAST_PATH

_WRITE_FAILED = (WebSocketDisconnect, OSError, RuntimeError)
"""What servers raise for a connection that is gone: uvloop a `RuntimeError`, and Starlette after a close as well."""


class Sender(Protocol):
    """Whoever a frame is sent for: a reply, which may have been cancelled in the meantime."""

    @property
    def alive(self) -> bool: ...


class ClientLink:
    """Sends to one client. After the client has gone, sending does nothing: the reading side sees it leave.

    Args:
        ws: accepted.
        send_timeout_s: a client that takes no frame for so long is gone. A server's ping alone does not find a socket
            that is full.
    """

    def __init__(self, ws: WebSocket, *, send_timeout_s: float) -> None:
        self._ws = ws
        self._send_timeout_s = send_timeout_s
        self._lock = asyncio.Lock()
        self._gone = False
        self.on_stalled: Callable[[], None] = lambda: None
        """Called when the client has taken nothing for `send_timeout_s`."""

    @property
    def client_host(self) -> str | None:
        """The client's address; None: it has none."""
        return self._ws.client.host if self._ws.client else None

    def divert_audio(self, take: Callable[[bytes], None]) -> None:
        """Let `take` have the client's audio as it arrives, where the server can do that; else it is received."""
        if (offer := self._ws.scope.get("extensions", {}).get(FAST_PATH)) is not None:
            offer.divert(take)

    async def send(self, message: Message, sender: Sender | None = None) -> None:
        """Send JSON, unless `sender` has died before its turn came."""
        await self._send({"type": "websocket.send", "text": json.dumps(message)}, sender)

    async def send_audio(self, pcm: bytes, sender: Sender) -> None:
        """Send PCM16 speech, unless `sender` has died before its turn came."""
        await self._send({"type": "websocket.send", "bytes": pcm}, sender)

    async def _send(self, frame: dict[str, object], sender: Sender | None) -> None:
        async with self._lock:
            # Looked at under the lock: a frame that waited behind `cancelled` must not follow it.
            if self._gone or (sender is not None and not sender.alive):
                return
            try:
                async with asyncio.timeout(self._send_timeout_s):
                    await self._ws.send(frame)
            except TimeoutError:  # an OSError too
                self._gone = True
                self.on_stalled()
            except _WRITE_FAILED:
                self._gone = True

    async def close(self, code: CloseCode, reason: str = "") -> None:
        """Close with a code and words. Does nothing when the client has gone."""
        async with self._lock:
            if self._gone or self._ws.client_state is not WebSocketState.CONNECTED:
                return
            self._gone = True
            try:
                async with asyncio.timeout(self._send_timeout_s):
                    await self._ws.close(code, fit_reason(reason))
            except (*_WRITE_FAILED, TimeoutError):
                return

    def mark_gone(self) -> None:
        """The reading side saw the client leave."""
        self._gone = True
