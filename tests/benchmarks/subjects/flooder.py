"""Sends one frame as often as the host takes it: `HOST PORT PATH FRAME SECONDS`, the frame in hexadecimal."""

from __future__ import annotations

import socket
import sys
import time

from tests.fuzz.raw import upgrade

RECONNECT_S = 0.5


def flood(host: str, port: int, path: str, frame: bytes, seconds: float) -> None:
    """Flood until the time is over. Half a second after the host cut the connection, connect again."""
    ends_s = time.monotonic() + seconds
    while time.monotonic() < ends_s:
        try:
            with socket.create_connection((host, port), timeout=2) as client:
                client.sendall(upgrade(path))
                while time.monotonic() < ends_s:
                    client.sendall(frame * 10_000)
        except OSError:
            time.sleep(RECONNECT_S)


if __name__ == "__main__":
    flood(sys.argv[1], int(sys.argv[2]), sys.argv[3], bytes.fromhex(sys.argv[4]), float(sys.argv[5]))
