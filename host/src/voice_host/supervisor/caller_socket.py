"""`CallerSocket`: the front's duplicate of the socket of a call that a worker has, to close it if the worker dies."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import socket
import struct
import termios
from collections.abc import Callable, Sequence
from enum import Enum
from functools import partial
from typing import TypeVar

from websockets.frames import Close, Opcode
from websockets.frames import Frame as WebSocketFrame
from websockets.http11 import Request
from websockets.server import ServerProtocol

from voice_host.clients.close_codes import CloseCode, fit_reason
from voice_host.clients.protocol import Frame
from voice_host.clients.transport.stream_position import StreamPosition

CLOSE_TIMEOUT_S = 5.0
"""How long a caller may take to read the close frame and to close its end."""

_TCP_INFO_BYTES = 256
_STATE, _BYTES_ACKED = 0, 120
"""Offsets in `struct tcp_info` (linux/tcp.h) of `tcpi_state`, a byte, and `tcpi_bytes_acked`, 64 bits (Linux 4.1)."""

_ESTABLISHED, _CLOSE_WAIT = 1, 8
"""States in which the connection can still be written to. CLOSE_WAIT: the client has closed its direction."""

_READ_BYTES = 65536

_Result = TypeVar("_Result")


class Answered(Enum):
    """What the client has got of the worker's answer."""

    NOTHING = "nothing"
    """Not even the answer to its upgrade request: the call can be given to another worker."""
    WHOLE_FRAMES = "whole frames"
    """The stream ends between two frames."""
    PART_OF_A_FRAME = "part of a frame"
    """The stream ends, or may end, within a frame: what follows would be taken for the rest of it."""
    CLOSED = "closed"
    """The connection has ended, or the worker has closed its direction."""


class CallerSocket:
    """A duplicate of an accepted socket. Belongs to one event loop.

    The connection stays open as long as the duplicate does, so the worker must shut it down when the call is over.

    Args:
        duplicate: of the socket. Closed by `close` and `let_go`.
        request: the head of the upgrade request.
        subprotocol: the WebSocket subprotocol to accept; None: none.

    Attributes:
        request: see above. Set it to nothing once the worker has answered.
    """

    def __init__(self, duplicate: socket.socket, request: bytes, subprotocol: str | None = None) -> None:
        self.request = request
        self._subprotocol = subprotocol
        self._socket = duplicate
        self._position: StreamPosition | None = None
        self._at_handover = _given_to_system(duplicate)

    def hand_over(self) -> int:
        """Begin to count what a worker writes that gets the socket now.

        Returns:
            the descriptor of the `StreamPosition` for the worker. The caller closes it.

        Raises:
            OSError: there are no more descriptors.
        """
        descriptor = StreamPosition.create()
        try:
            position = StreamPosition(os.dup(descriptor))
        except OSError:
            os.close(descriptor)
            raise
        self._forget_position()
        self._position = position
        self._at_handover = _given_to_system(self._socket)
        return descriptor

    @property
    def answered(self) -> Answered:
        """What the client has got. Certain only when the worker has ended."""
        if _state(self._socket) not in (_ESTABLISHED, _CLOSE_WAIT):
            return Answered.CLOSED
        given = _given_to_system(self._socket)
        if given is None or self._at_handover is None:
            return Answered.CLOSED
        if given == self._at_handover:
            return Answered.NOTHING
        whole = self._position is not None and given - self._at_handover == self._position.value
        return Answered.WHOLE_FRAMES if whole else Answered.PART_OF_A_FRAME

    async def refuse(self, code: CloseCode, reason: str, last_words: Sequence[Frame] = ()) -> None:
        """Close the connection of a worker that has ended, with a close frame if the client can read one.

        A client that has no answer to its upgrade request yet gets that first.

        Where the stream ends within a frame, the connection is only shut down. Clients see code 1006 then, as for a
        connection that was lost.

        Args:
            code: the close code.
            reason: the words.
            last_words: what the client's protocol says before the connection is closed.
        """
        answered = self.answered
        frame = b"".join([*(data_frame(each) for each in last_words), close_frame(code, reason)])
        try:
            if answered is Answered.NOTHING and self.request:
                await self._send(handshake(self.request, self._subprotocol) + frame)
            elif answered is Answered.WHOLE_FRAMES:
                await self._send(frame)
        finally:
            self.close()

    async def _send(self, data: bytes) -> None:
        """Send, and read until the client has closed: closing a socket with unread audio would reset the connection."""
        loop = asyncio.get_running_loop()
        sock, left = self._socket, memoryview(data)
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                while left:
                    write = partial(sock.send, left, socket.MSG_DONTWAIT)
                    left = left[await _when_ready(sock, write, loop.add_writer, loop.remove_writer) :]
                sock.shutdown(socket.SHUT_WR)
                read = partial(sock.recv, _READ_BYTES, socket.MSG_DONTWAIT)
                while await _when_ready(sock, read, loop.add_reader, loop.remove_reader):
                    pass

    def close(self) -> None:
        """Close the connection, also if a process that a dead worker left behind still has it. Idempotent."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self.let_go()

    def let_go(self) -> None:
        """Close the duplicate alone: the worker has closed the connection, or goes on with it. Idempotent."""
        self._socket.close()
        self._forget_position()

    def _forget_position(self) -> None:
        if self._position is not None:
            self._position.close()
            self._position = None


def data_frame(frame: Frame) -> bytes:
    """Return a server's frame with text or bytes."""
    opcode, data = (Opcode.TEXT, frame.encode()) if isinstance(frame, str) else (Opcode.BINARY, frame)
    return WebSocketFrame(opcode, data).serialize(mask=False)


def close_frame(code: CloseCode, reason: str) -> bytes:
    """Return a server's close frame."""
    return WebSocketFrame(Opcode.CLOSE, Close(code, fit_reason(reason)).serialize()).serialize(mask=False)


def handshake(request: bytes, subprotocol: str | None = None) -> bytes:
    """Return the answer to an upgrade request: 101, or the refusal of a request that is none.

    Args:
        request: the head of the request, with its empty line.
        subprotocol: the one to accept; None: none.
    """
    server = ServerProtocol(select_subprotocol=lambda _, __: subprotocol)  # type: ignore[arg-type, return-value]
    server.receive_data(request)
    for event in server.events_received():
        if isinstance(event, Request):
            server.send_response(server.accept(event))
    return b"".join(server.data_to_send())


async def _when_ready(
    sock: socket.socket,
    use: Callable[[], _Result],
    watch: Callable[[int, Callable[[], object]], object],
    unwatch: Callable[[int], object],
) -> _Result:
    """Call `use` as soon as the socket can be used without waiting.

    `loop.sock_recv` and others rely on the socket being non-blocking. That belongs to all duplicates of it: a process
    that a worker left behind could change it, and the front would wait.
    """
    while True:
        try:
            return use()
        except BlockingIOError:
            ready = asyncio.Event()
            watch(sock.fileno(), ready.set)
            try:
                await ready.wait()
            finally:
                unwatch(sock.fileno())


def _state(tcp: socket.socket) -> int | None:
    try:
        return tcp.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[_STATE]
    except OSError:
        return None


def _given_to_system(tcp: socket.socket) -> int | None:
    """Return how many bytes were ever written to a connection; None: unknown.

    Those that the client has acknowledged, and those in the socket's queue. An acknowledgement that arrives between the
    two look-ups would be missed, so they are repeated until there was none.
    """
    try:
        acked = _acked(tcp)
        while True:
            queued: int = struct.unpack("i", fcntl.ioctl(tcp, termios.TIOCOUTQ, bytes(4)))[0]
            before, acked = acked, _acked(tcp)
            if acked == before:
                return acked + queued
    except (OSError, struct.error):
        return None


def _acked(tcp: socket.socket) -> int:
    info = tcp.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO_BYTES)
    acked: int = struct.unpack_from("=Q", info, _BYTES_ACKED)[0]
    return acked
