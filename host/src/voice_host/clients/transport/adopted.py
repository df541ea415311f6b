"""A transport over a socket that was accepted elsewhere, for example in another process."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import uvicorn
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket
from uvicorn.server import ServerState

from voice_host.clients.transport import HandedOver
from voice_host.clients.transport.asgi import AsgiWebSocket
from voice_host.clients.transport.web_socket import CallProtocol

_SERVE = "voice_host.serve"
"""Key in the state of a connection's scope, for what serves it."""

Serve = Callable[[AsgiWebSocket], Awaitable[None]]
"""Accepts and serves one client's connection. Returns when it has ended."""


class SocketAdopter:
    """Takes over accepted sockets whose WebSocket upgrade request has not been answered yet.

    The connection is served by the host's own WebSocket protocol with all its limits; the client sees no difference.
    Belongs to one event loop.

    Args:
        options: of `uvicorn.Config`: the WebSocket protocol and its limits.
    """

    def __init__(self, **options: Any) -> None:
        async def application(scope: Scope, receive: Receive, send: Send) -> None:
            serve: Serve = scope["state"].pop(_SERVE)
            await serve(AsgiWebSocket(WebSocket(scope, receive, send)))

        options = {"ws": CallProtocol, "ws_per_message_deflate": False, **options}
        # A worker is told the client's real address, so it does not read proxy headers.
        options.update({"lifespan": "off", "log_config": None, "access_log": False, "proxy_headers": False})
        self._config = uvicorn.Config(application, **options)
        self._config.load()
        self._state = ServerState()

    async def adopt(self, accepted: HandedOver, serve: Serve) -> bool:
        """Serve a client in a task. Returns at once; False if the request is no valid upgrade request.

        Args:
            accepted: the connection. Its socket becomes non-blocking, and is closed when the call is over.
            serve: serves the client.

        Raises:
            OSError: the client is gone.
        """
        accepted.socket.setblocking(False)

        def made() -> CallProtocol:
            protocol_class: Any = self._config.ws_protocol_class
            protocol: CallProtocol = protocol_class(self._config, self._state, {_SERVE: serve})
            protocol.begin_with(accepted.request, accepted.client, accepted.scheme, accepted.position)
            return protocol

        _, protocol = await asyncio.get_running_loop().connect_accepted_socket(made, accepted.socket)
        return hasattr(protocol, "scope")  # from then on `serve` runs

    async def aclose(self) -> None:
        """Wait until all connections have ended. End the calls first."""
        while tasks := [task for task in self._state.tasks if not task.done()]:
            await asyncio.wait(tasks)
