"""The connection beneath a client protocol: the only I/O of this room."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from voice_host.clients.protocol import Frame


class ConnectionLost(Exception):
    """Nothing can be sent any more."""


@dataclass(frozen=True, slots=True)
class Disconnected:
    """The client has gone. `on_purpose`: it closed the connection to end the call."""

    on_purpose: bool


class Transport(Protocol):
    """One client's WebSocket, whoever accepted its socket. Frames go out in the order in which they were sent."""

    @property
    def client_host(self) -> str | None:
        """The client's address; None: it has none."""

    @property
    def query(self) -> Mapping[str, str]:
        """The parameters of the address that it connected to."""

    @property
    def query_size(self) -> int:
        """Their size in bytes."""

    @property
    def subprotocols(self) -> Sequence[str]:
        """What the client offered."""

    async def accept(self, subprotocol: str | None) -> None:
        """Accept the connection. Raises `ConnectionLost`."""

    def send_now(self, frame: Frame) -> bool:
        """Send a frame if that can be done without waiting. Returns whether it was: if not, `send` it."""

    async def send(self, frame: Frame) -> None:
        """Send a frame, as soon as the client takes it. Raises `ConnectionLost`."""

    async def receive(self) -> Frame | Disconnected:
        """Return the next frame."""

    def divert_binary(self, take: Callable[[bytes], None]) -> None:
        """Let `take` have binary frames as they arrive, where the server can do that; else they are received."""

    async def close(self, code: int, reason: str) -> None:
        """Close with a code and words. Raises `ConnectionLost`."""
