"""A WebSocket in memory, whose host side is an ordinary Starlette `WebSocket`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, MutableMapping
from typing import Any
from urllib.parse import urlencode

from starlette.websockets import WebSocket

LOST = 1006
"""The close code of a connection without a close frame (RFC 6455)."""


class MemorySocket:
    """The caller's end of one connection.

    Args:
        query: the query parameters.
        on_frame: called with each ASGI message that the host sends: `websocket.accept`, `.send` or `.close`.
    """

    def __init__(self, query: Mapping[str, str], on_frame: Callable[[Mapping[str, Any]], None]) -> None:
        self._on_frame = on_frame
        self._to_host: asyncio.Queue[dict[str, Any]] = asyncio.Queue()  # a test is short
        self._lost = False
        self.put({"type": "websocket.connect"})
        self.host_end = WebSocket(self._scope(query), self._to_host.get, self._from_host)

    def _scope(self, query: Mapping[str, str]) -> dict[str, Any]:
        return {
            "type": "websocket",
            "asgi": {"version": "3.0", "spec_version": "2.5"},
            "http_version": "1.1",
            "scheme": "ws",
            "path": "/session",
            "root_path": "",
            "query_string": urlencode(dict(query)).encode(),
            "headers": [],
            "client": ("127.0.0.1", 50000),
            "server": ("127.0.0.1", 8000),
            "subprotocols": [],
            "state": {},
        }

    def put(self, frame: dict[str, Any]) -> None:
        """Send an ASGI message to the host."""
        self._to_host.put_nowait(frame)

    def close(self, code: int = 1000) -> None:
        """Close with a close frame."""
        self.put({"type": "websocket.disconnect", "code": code, "reason": ""})

    def lose(self) -> None:
        """Lose the connection: from now on, sending fails for the host."""
        self._lost = True
        self.put({"type": "websocket.disconnect", "code": LOST})

    async def _from_host(self, frame: MutableMapping[str, Any]) -> None:
        if self._lost:
            raise OSError("the connection is lost")
        self._on_frame(frame)
