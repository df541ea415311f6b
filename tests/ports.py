"""Ports for processes that are told where to listen."""

import random
import socket

BELOW_WHAT_SYSTEMS_GIVE_AWAY = range(10_000, 32_000)
"""Linux gives a connection that asks for no port one from 32768 on: none of these is taken between here and its use."""


def listener() -> socket.socket:
    """Return a socket that listens on a free loopback port.

    It names its protocol, as that of the host does: otherwise asyncio leaves Nagle's algorithm on, and frames wait for
    the acknowledgement of the one before.
    """
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.bind(("127.0.0.1", 0))
    listening.listen()
    return listening


def free_port() -> int:
    """Return a port of the loopback address that nobody listens on."""
    while True:
        port = random.choice(BELOW_WHAT_SYSTEMS_GIVE_AWAY)
        try:
            with socket.create_server(("127.0.0.1", port)):
                return port
        except OSError:
            continue
