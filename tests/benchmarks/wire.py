"""A WebSocket endpoint as lean as possible, so that what surrounds the program under test never limits it.

Only what the benchmark's peers send: unfragmented messages, pings, closes. A client may mask with zeros, which spares
it the masking and its peer nothing.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import struct
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import cast

from websockets.speedups import apply_mask

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
TEXT, BINARY, CLOSE, PING, PONG = 0x1, 0x2, 0x8, 0x9, 0xA
NORMAL_CLOSURE = struct.pack("!H", 1000)


def frame(opcode: int, payload: bytes, *, masked: bool = False) -> bytes:
    """Return one frame, ready to be written."""
    mask_bit = 0x80 if masked else 0
    size = len(payload)
    if size < 126:
        head = struct.pack("!BB", 0x80 | opcode, mask_bit | size)
    elif size < 65536:
        head = struct.pack("!BBH", 0x80 | opcode, mask_bit | 126, size)
    else:
        head = struct.pack("!BBQ", 0x80 | opcode, mask_bit | 127, size)
    return head + (b"\0\0\0\0" if masked else b"") + payload


class Endpoint(asyncio.Protocol, ABC):
    """One side of a connection. Override `on_open`, `on_text`, `on_binary` and `on_lost`."""

    masks = False

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._upgraded = False
        self._closing = False
        self.transport: asyncio.Transport

    # --- to override ----------------------------------------------------------------------------------------------

    def on_open(self, head: bytes) -> None:
        """The upgrade is done; `head` is the HTTP head of the other side."""

    def on_text(self, payload: bytes) -> None: ...

    def on_binary(self, payload: bytes) -> None: ...

    def on_lost(self) -> None: ...

    # --- sending --------------------------------------------------------------------------------------------------

    def send_text(self, text: str | bytes) -> None:
        self.send_frame(frame(TEXT, text.encode() if isinstance(text, str) else text, masked=self.masks))

    def send_frame(self, data: bytes) -> None:
        """Write a frame made before."""
        if not self._closing:
            self.transport.write(data)

    def close(self) -> None:
        """Say goodbye with 1000; the connection ends when the other side has answered."""
        if not self._closing:
            self.send_frame(frame(CLOSE, NORMAL_CLOSURE, masked=self.masks))
            self._closing = True

    # --- asyncio.Protocol -----------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._closing = True
        self.on_lost()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if not self._upgraded:
            end = self._buffer.find(b"\r\n\r\n")
            if end < 0:
                return
            head = bytes(self._buffer[:end])
            del self._buffer[: end + 4]
            if not self._upgrade(head):
                return
        self._read_frames()

    @abstractmethod
    def _upgrade(self, head: bytes) -> bool:
        """Take the other side's HTTP head; False ends the connection."""

    def _read_frames(self) -> None:
        buffer, position = self._buffer, 0
        while (available := len(buffer) - position) >= 2:
            size = buffer[position + 1] & 0x7F
            start = position + 2
            if size == 126:
                if available < 4:
                    break
                size, start = int.from_bytes(buffer[start : start + 2], "big"), start + 2
            elif size == 127:
                if available < 10:
                    break
                size, start = int.from_bytes(buffer[start : start + 8], "big"), start + 8
            masked = buffer[position + 1] & 0x80
            body = start + (4 if masked else 0)
            if len(buffer) < body + size:
                break
            payload = bytes(buffer[body : body + size])
            if masked:
                payload = apply_mask(payload, bytes(buffer[start:body]))
            opcode, position = buffer[position] & 0x0F, body + size
            self._take(opcode, payload)
        del buffer[:position]

    def _take(self, opcode: int, payload: bytes) -> None:
        if opcode == BINARY:
            self.on_binary(payload)
        elif opcode == TEXT:
            self.on_text(payload)
        elif opcode == PING:
            self.send_frame(frame(PONG, payload, masked=self.masks))
        elif opcode == CLOSE:
            self.close()
            self.transport.close()


class ServerEndpoint(Endpoint):
    """The accepting side."""

    def _upgrade(self, head: bytes) -> bool:
        key = next(
            line.split(b":", 1)[1].strip()
            for line in head.split(b"\r\n")
            if line.lower().startswith(b"sec-websocket-key:")
        )
        accept = base64.b64encode(hashlib.sha1(key + _GUID, usedforsecurity=False).digest())
        self.transport.write(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
        )
        self._upgraded = True
        self.on_open(head)
        return True


class ClientEndpoint(Endpoint):
    """The calling side.

    Args:
        path: of the URL.
        headers: of the request, beside those that each needs.
    """

    masks = True

    def __init__(self, path: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__()
        self._path = path
        self._headers = "".join(f"{name}: {value}\r\n" for name, value in (headers or {}).items())

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.transport.write(
            f"GET {self._path} HTTP/1.1\r\nHost: 127.0.0.1:{transport.get_extra_info('peername')[1]}\r\n"
            "Upgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
            f"{self._headers}\r\n".encode()
        )

    def _upgrade(self, head: bytes) -> bool:
        if b" 101 " not in head.split(b"\r\n", 1)[0]:
            self.transport.close()
            return False
        self._upgraded = True
        self.on_open(head)
        return True
