"""What the parent passes to a child: what to serve, as a line of JSON on its stdin, and the listening socket.

The end of its stdin tells a child to exit.
"""

from __future__ import annotations

import base64
import json
import socket
import sys
from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class ServeRequest:
    """What a child is to serve.

    Attributes:
        folder: the source tree.
        config: the settings file, or None.
        listener: what `share_socket` returned for this child.
        restarted: whether another child served before. The child then prints less when it starts.
        failure: why the child before it ended unexpectedly. The agents are then not loaded: they show this error.
    """

    folder: str
    config: str | None
    listener: str | int
    restarted: bool = False
    failure: str | None = None

    def encode(self) -> bytes:
        """Return the line for the child's stdin."""
        return json.dumps(asdict(self)).encode() + b"\n"

    @classmethod
    def decode(cls, line: bytes) -> ServeRequest:
        """Return the request in a line."""
        return cls(**json.loads(line))


def inherited_descriptors(listener: socket.socket) -> tuple[int, ...]:
    """Return the file descriptors that a child must inherit to receive the socket."""
    return () if sys.platform == "win32" else (listener.fileno(),)


def share_socket(listener: socket.socket, process_id: int) -> str | int:
    """Return a reference with which the child of that id can receive the socket."""
    if sys.platform == "win32":
        return base64.b64encode(listener.share(process_id)).decode()
    return listener.fileno()


def receive_socket(reference: str | int) -> socket.socket:
    """Return the socket that the parent shared."""
    if sys.platform == "win32":
        return socket.fromshare(base64.b64decode(str(reference)))
    return socket.socket(fileno=int(reference))
