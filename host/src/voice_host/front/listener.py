"""The listening socket. Imports little, so that a port in use is reported before the heavy imports."""

from __future__ import annotations

import errno
import ipaddress
import socket

_HINTS = {
    errno.EADDRINUSE: "stop what listens there, or choose another port with --port",
    errno.EADDRNOTAVAIL: "this machine has no such address; --host 127.0.0.1 always works",
    errno.EACCES: "ports below 1024 need privileges; choose another port with --port",
}


class PortTaken(Exception):
    """The host cannot listen on the address. `hint` says what to do."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


def listen(host: str, port: int) -> socket.socket:
    """Return a listening socket; port 0 takes a free one.

    Raises:
        PortTaken: another process listens there, this machine has no such address, or the port needs privileges.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio disables Nagle's algorithm only for sockets with an explicit protocol, which accepted sockets inherit.
    # With Nagle, a frame waits for the client to acknowledge the last one: about 15 ms while a microphone sends.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(1024)
    except OSError as error:
        listener.close()
        # Error numbers of failed name look-ups are not those of `errno`.
        code = errno.EADDRNOTAVAIL if isinstance(error, socket.gaierror) else error.errno
        hint = _HINTS.get(code or 0, "choose another address with --host and --port")
        raise PortTaken(f"cannot listen on {host}:{port}: {error.strerror or error}", hint) from error
    return listener


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach the address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
