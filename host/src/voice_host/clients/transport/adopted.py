"""A transport over a socket that somebody else accepted, in another process perhaps."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import uvicorn
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket
from uvicorn.server import ServerState

from voice_host.clients.transport.asgi import AsgiWebSocket
from voice_host.clients.transport.web_socket import CallProtocol

Serve = Callable[[AsgiWebSocket], Awaitable[None]]
"""Serves one client, whose connection it accepts. Returns when it is over."""


class SocketAdopter:
    """Takes over accepted sockets on which a client has asked for a WebSocket and nobody has answered yet.

    The connection is served by the host's own WebSocket protocol, with all its limits, and a client can't tell the
    difference. Belongs to one event loop.

    Args:
        serve: serves each client.
        options: of `uvicorn.Config`: the WebSocket protocol and its limits.
    """

    def __init__(self, serve: Serve, **options: Any) -> None:
        async def application(scope: Scope, receive: Receive, send: Send) -> None:
            await serve(AsgiWebSocket(WebSocket(scope, receive, send)))

        options = {"ws": CallProtocol, "ws_per_message_deflate": False, **options}
        # A worker is told the client's real address, and reads no proxy's headers.
        options.update({"lifespan": "off", "log_config": None, "access_log": False, "proxy_headers": False})
        self._config = uvicorn.Config(application, **options)
        self._config.load()
        self._state = ServerState()

    async def adopt(self, accepted: socket.socket, request: bytes) -> None:
        """Serve a client; returns at once, while the client is served in a task.

        Args:
            accepted: connected to the client, non-blocking from now on, and closed when the call is over.
            request: what was read from it: the head of the upgrade request, and whatever came behind it.
        """
        accepted.setblocking(False)
        await asyncio.get_running_loop().connect_accepted_socket(lambda: self._protocol(request), accepted)

    def _protocol(self, request: bytes) -> CallProtocol:
        protocol_class: Any = self._config.ws_protocol_class
        protocol: CallProtocol = protocol_class(self._config, self._state, {})
        protocol.begin_with(request)
        return protocol

    async def aclose(self) -> None:
        """Wait until every client was served. Whoever adopts ends the calls first."""
        while tasks := [task for task in self._state.tasks if not task.done()]:
            await asyncio.wait(tasks)
