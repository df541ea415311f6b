"""A transport over any ASGI server's WebSocket."""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from voice_host.clients.protocol import Frame
from voice_host.clients.transport import CannotHandOver, ConnectionLost, Disconnected, HandedOver
from voice_host.clients.transport.upgrade_request import upgrade_request

FAST_PATH = "voice_host.fast_path"
"""Key in the `extensions` of a connection's scope, under which the host's own server (`web_socket.CallProtocol`) offers
a `FastPath` around ASGI: frames are offered to a function as they arrive, and are written without awaiting. Any other
server uses ASGI's queue."""


class FastPath(NamedTuple):
    """A way around ASGI for a call, in the `extensions` of its connection's scope."""

    divert: Callable[[Callable[[Frame], bool]], None]
    """Registers a function that is offered messages as they arrive. It returns whether it took the message; any other
    takes the usual path. It must not block, and must bound what it keeps."""
    write: Callable[[Sequence[Frame]], bool]
    """Writes frames at once. Returns False, without writing, while earlier data is waiting to be sent."""
    hand_over: Callable[[], tuple[socket.socket, bytes]]
    """Lets go of a connection that was not accepted yet. Returns a duplicate of its socket, and what was read after the
    head of the request. Raises `CannotHandOver` and `ConnectionLost`."""


_WRITE_FAILED = (WebSocketDisconnect, OSError, RuntimeError)
"""What servers raise if the connection is lost. The `RuntimeError` is uvloop's, and Starlette's after a close."""


class AsgiWebSocket:
    """A `Transport` over Starlette's WebSocket, which has not been accepted yet."""

    def __init__(self, ws: WebSocket) -> None:
        self._ws = ws
        self._fast_path: Any = ws.scope.get("extensions", {}).get(FAST_PATH)

    @property
    def client_host(self) -> str | None:
        return self._ws.client.host if self._ws.client else None

    @property
    def query(self) -> Mapping[str, str]:
        return self._ws.query_params

    @property
    def query_size(self) -> int:
        return len(self._ws.scope["query_string"])

    @property
    def subprotocols(self) -> Sequence[str]:
        offered: Sequence[str] = self._ws.scope.get("subprotocols", ())
        return offered

    async def accept(self, subprotocol: str | None) -> None:
        try:
            await self._ws.accept(subprotocol=subprotocol)
        except _WRITE_FAILED as error:
            raise ConnectionLost from error

    def send_now(self, frames: Sequence[Frame]) -> bool:
        return self._fast_path is not None and self._fast_path.write(frames)

    async def send(self, frame: Frame) -> None:
        kind = "text" if isinstance(frame, str) else "bytes"
        try:
            await self._ws.send({"type": "websocket.send", kind: frame})
        except _WRITE_FAILED as error:
            raise ConnectionLost from error

    async def receive(self) -> Frame | Disconnected:
        message = await self._ws.receive()
        if message["type"] == "websocket.disconnect":
            return Disconnected(on_purpose=_is_goodbye(message))
        frame: Frame = message["bytes"] if message.get("bytes") is not None else message["text"]
        return frame

    def divert(self, take: Callable[[Frame], bool]) -> None:
        if self._fast_path is not None:
            self._fast_path.divert(take)

    async def close(self, code: int, reason: str) -> None:
        if self._ws.client_state is not WebSocketState.CONNECTED:
            return
        try:
            await self._ws.close(code, reason)
        except _WRITE_FAILED as error:
            raise ConnectionLost from error

    def hand_over(self) -> HandedOver:
        if self._fast_path is None:
            raise CannotHandOver("this server cannot hand connections over")
        scope = self._ws.scope
        scheme: Literal["ws", "wss"] = "wss" if scope.get("scheme") == "wss" else "ws"
        client = scope.get("client")
        accepted, early = self._fast_path.hand_over()
        return HandedOver(accepted, upgrade_request(scope) + early, client and (client[0], client[1]), scheme)


def _is_goodbye(disconnect: Mapping[str, Any]) -> bool:
    """Whether the client closed on purpose: with 1000, or with a close frame that has no code.

    A broken connection may also be reported as 1005, but only a close frame has a reason.
    """
    code = disconnect.get("code")
    return code == 1000 or (code == 1005 and "reason" in disconnect)
