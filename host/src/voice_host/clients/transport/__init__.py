"""`Transport`, the WebSocket beneath a client protocol. The only I/O in `clients`."""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from voice_host.clients.protocol import Frame
from voice_host.clients.transport.stream_position import StreamPosition


class ConnectionLost(Exception):
    """The connection is lost: nothing can be sent any more."""


class CannotHandOver(Exception):
    """The connection cannot be handed over to another process. The message says why."""


@dataclass(frozen=True, slots=True)
class HandedOver:
    """An accepted connection that was not answered yet, for another process to answer and serve.

    Attributes:
        socket: a duplicate of the connection's socket. Whoever has this object closes it.
        request: the head of the upgrade request without credentials, and the bytes that were read after it.
        client: address and port of the client, as told by trusted proxies; None: unknown.
        scheme: `ws` or `wss`, as told by trusted proxies.
        position: where to count what is written; None: it is not counted.
    """

    socket: socket.socket
    request: bytes
    client: tuple[str, int] | None
    scheme: Literal["ws", "wss"]
    position: StreamPosition | None = None


@dataclass(frozen=True, slots=True)
class Disconnected:
    """The client has disconnected. `on_purpose`: it closed the connection to end the call."""

    on_purpose: bool


class Transport(Protocol):
    """One client's WebSocket. Frames arrive in the order in which they are sent."""

    @property
    def client_host(self) -> str | None:
        """The client's IP address; None if unknown."""

    @property
    def query(self) -> Mapping[str, str]:
        """The query parameters of the request."""

    @property
    def query_size(self) -> int:
        """The length of the query string in bytes."""

    @property
    def subprotocols(self) -> Sequence[str]:
        """The subprotocols that the client offers."""

    async def accept(self, subprotocol: str | None) -> None:
        """Accept the connection. Raises `ConnectionLost`."""

    def send_now(self, frames: Sequence[Frame]) -> bool:
        """Send frames if that is possible without waiting. Returns False, sending none, if it is not: use `send`."""

    async def send(self, frame: Frame) -> None:
        """Send a frame, waiting while the client is slow. Raises `ConnectionLost`."""

    async def receive(self) -> Frame | Disconnected:
        """Return the next frame."""

    def divert(self, take: Callable[[Frame], bool]) -> None:
        """Offer frames to `take` as they arrive, if the server supports it; `receive` returns those it does not take.

        Text waits while an earlier frame waits for `receive`; a binary frame may overtake it.
        """

    async def close(self, code: int, reason: str) -> None:
        """Close with a code and a reason. Raises `ConnectionLost`."""

    def hand_over(self) -> HandedOver:
        """Let go of a connection that was not accepted yet, so that another process can serve it.

        Nothing is sent to the client, and this transport is of no more use.

        Raises:
            CannotHandOver: it is encrypted, was answered already, or the server has no such function.
            ConnectionLost: the client is gone.
        """
