"""Whatever a server raises for a connection that is gone, the link takes it for that."""

from __future__ import annotations

from typing import Any, cast

import pytest
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from voice_host.clients.close_codes import CloseCode
from voice_host.clients.transport import ClientLink


class DeadSocket:
    client_state = WebSocketState.CONNECTED

    def __init__(self, error: Exception) -> None:
        self._error = error
        self.asked = 0

    async def send(self, frame: Any) -> None:
        self.asked += 1
        raise self._error

    async def close(self, code: int, reason: str) -> None:
        self.asked += 1
        raise self._error


ERRORS = [
    WebSocketDisconnect(1006),
    BrokenPipeError(),
    RuntimeError("unable to perform operation on <TCPTransport closed=True>; the handler is closed"),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
async def test_a_write_that_fails_means_that_the_client_is_gone(error: Exception) -> None:
    socket = DeadSocket(error)
    link = ClientLink(cast(WebSocket, socket), send_timeout_s=5)
    for _ in range(3):
        await link.send({"type": "pong"})
    await link.close(CloseCode.ENDED)
    assert socket.asked == 1
    other = DeadSocket(error)
    await ClientLink(cast(WebSocket, other), send_timeout_s=5).close(CloseCode.ENDED)
    assert other.asked == 1
