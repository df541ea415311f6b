"""HTTP and WebSockets by hand: bytes that no library would send, and what comes back."""

from __future__ import annotations

import asyncio
import base64
import os
import struct
from dataclasses import dataclass, field

PATIENCE_S = 15.0
TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10

Header = tuple[bytes, bytes]


@dataclass
class Answer:
    """An HTTP answer; without a status the connection was cut."""

    status: int | None
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


def frame(opcode: int, payload: bytes, *, fin: bool = True, reserved: int = 0, masked: bool = True) -> bytes:
    """Return one WebSocket frame as a client writes it (RFC 6455, 5.2), or not quite."""
    head = bytes([(fin << 7) | (reserved << 4) | opcode])
    size, mask_bit = len(payload), masked << 7
    if size < 126:
        head += bytes([mask_bit | size])
    elif size < 1 << 16:
        head += bytes([mask_bit | 126]) + struct.pack("!H", size)
    else:
        head += bytes([mask_bit | 127]) + struct.pack("!Q", size)
    return head + (bytes(4) if masked else b"") + payload  # masked with zeros it stays what it is


def request(method: str, target: str, headers: list[Header], *, host: bytes = b"127.0.0.1") -> bytes:
    """Return the head of a request. A `Host` among the headers replaces the one that belongs there."""
    if not any(name.lower() == b"host" for name, _ in headers):
        headers = [(b"Host", host), *headers]
    lines = [f"{method} {target} HTTP/1.1".encode(), *(name + b": " + value for name, value in headers)]
    return b"\r\n".join(lines) + b"\r\n\r\n"


def upgrade(target: str, headers: list[Header] | None = None) -> bytes:
    """Return a request for a WebSocket."""
    own = [
        (b"Upgrade", b"websocket"),
        (b"Connection", b"Upgrade"),
        (b"Sec-WebSocket-Version", b"13"),
        (b"Sec-WebSocket-Key", base64.b64encode(os.urandom(16))),
    ]
    return request("GET", target, [*own, *(headers or [])])


class RawClient:
    """A connection to `127.0.0.1:port`."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def connect(cls, address: str) -> RawClient:
        host, _, port = address.partition(":")
        return cls(*await asyncio.open_connection(host, int(port)))

    async def write(self, data: bytes) -> None:
        """Write, unless the host has gone."""
        try:
            self._writer.write(data)
            await self._writer.drain()
        except ConnectionError:
            return

    async def answer(self, *, has_body: bool = True) -> Answer:
        """Return the answer to a request that upgrades nothing, or refuses to."""
        try:
            async with asyncio.timeout(PATIENCE_S):
                head = await self._reader.readuntil(b"\r\n\r\n")
                first, *lines = head.decode("latin-1").split("\r\n")
                headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
                status = int(first.split()[1])
                size = int(headers.get("content-length", 0)) if has_body and status != 101 else 0
                return Answer(status, headers, await self._reader.readexactly(size))
        except (asyncio.IncompleteReadError, ConnectionError):
            return Answer(None)

    async def frame(self) -> tuple[int, bytes] | None:
        """Return the next frame of the host, or None when it has cut the connection."""
        try:
            async with asyncio.timeout(PATIENCE_S):
                first, second = await self._reader.readexactly(2)
                size = second & 127
                if size == 126:
                    [size] = struct.unpack("!H", await self._reader.readexactly(2))
                elif size == 127:
                    [size] = struct.unpack("!Q", await self._reader.readexactly(8))
                return first & 15, await self._reader.readexactly(size)
        except (asyncio.IncompleteReadError, ConnectionError):
            return None

    async def close(self) -> None:
        """Be gone."""
        self._writer.close()
        try:
            await self._writer.wait_closed()
        except ConnectionError:
            return
