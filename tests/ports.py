"""Ports for processes that are told where to listen."""

import random
import socket

BELOW_WHAT_SYSTEMS_GIVE_AWAY = range(10_000, 32_000)
"""Linux gives a connection that asks for no port one from 32768 on: none of these is taken between here and its use."""


def free_port() -> int:
    """Return a port of the loopback address that nobody listens on."""
    while True:
        port = random.choice(BELOW_WHAT_SYSTEMS_GIVE_AWAY)
        try:
            with socket.create_server(("127.0.0.1", port)):
                return port
        except OSError:
            continue
