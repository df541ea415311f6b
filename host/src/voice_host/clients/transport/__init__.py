"""`Transport`, the WebSocket beneath a client protocol. The only I/O in `clients`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from voice_host.clients.protocol import Frame


class ConnectionLost(Exception):
    """The connection is lost: nothing can be sent any more."""


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

    def send_now(self, frame: Frame) -> bool:
        """Send a frame if that is possible without waiting. Returns False if it is not: then use `send`."""

    async def send(self, frame: Frame) -> None:
        """Send a frame, waiting while the client is slow. Raises `ConnectionLost`."""

    async def receive(self) -> Frame | Disconnected:
        """Return the next frame."""

    def divert_binary(self, take: Callable[[bytes], None]) -> None:
        """Pass binary frames to `take` as they arrive, if the server supports it; otherwise `receive` returns them."""

    async def close(self, code: int, reason: str) -> None:
        """Close with a code and a reason. Raises `ConnectionLost`."""
