"""Handing the listening socket to a child, so that it stays open while one child follows another."""

from __future__ import annotations

import base64
import socket
import sys


def inheritable(listener: socket.socket) -> tuple[int, ...]:
    """Return the file descriptors that a child has to be started with."""
    return () if sys.platform == "win32" else (listener.fileno(),)


def offered(listener: socket.socket, process_id: int) -> str | int:
    """Return what tells the child of that id which socket it is to take."""
    if sys.platform == "win32":
        return base64.b64encode(listener.share(process_id)).decode()
    return listener.fileno()


def taken(offer: str | int) -> socket.socket:
    """Return the socket that was offered to this process."""
    if sys.platform == "win32":
        return socket.fromshare(base64.b64decode(str(offer)))
    return socket.socket(fileno=int(offer))
