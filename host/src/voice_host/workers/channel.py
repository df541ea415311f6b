"""The channel between the front and a worker: messages over a Unix socket, with bytes and file descriptors beside them.

A frame is a header (size of the JSON, size of the payload, number of descriptors), a message as JSON, and a payload of
any bytes. Nothing is pickled, since a worker runs a customer's code.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections import deque
from collections.abc import Callable, Sequence
from struct import Struct
from typing import Generic, NamedTuple, TypeVar

from pydantic import BaseModel, TypeAdapter, ValidationError

from voice_host.observability.logs import get_logger
from voice_host.tasks import failed

log = get_logger(__name__)

MAX_FRAME_BYTES = 2 * 1024 * 1024
"""Limit of a frame: a `ResumeState` (512 KiB), the head of a request, and two reads of 256 KiB that followed it."""

MAX_QUEUED_BYTES = 8 * 1024 * 1024
"""Limit of what waits for a peer that does not read: some 15,000 calls, or 16 of the largest `ResumeState`."""

READ_BYTES = 64 * 1024
"""Bytes that are read at a time: at most about 2,000 messages, which take 10 ms, before the event loop continues."""

MAX_DESCRIPTORS = 2
"""Descriptors of a frame: a call's socket, and its position in the stream. One read gets those of one frame."""

_HEADER = Struct("!IIB")
_CLOSE_ON_EXEC = getattr(socket, "MSG_CMSG_CLOEXEC", 0)
_ANCILLARY_BYTES = socket.CMSG_LEN(MAX_DESCRIPTORS * 4) if hasattr(socket, "CMSG_LEN") else 0

_Message = TypeVar("_Message")


class ChannelError(Exception):
    """The peer sent something that is not a valid frame."""


class _Outgoing(NamedTuple):
    data: memoryview
    descriptors: list[int]


def frame(message: BaseModel, payload: bytes = b"", descriptors: int = 0) -> bytes:
    """Return a frame.

    Raises:
        ValueError: it is larger than `MAX_FRAME_BYTES`.
    """
    text = message.model_dump_json().encode()
    if len(text) + len(payload) > MAX_FRAME_BYTES:
        raise ValueError(f"a frame of {len(text) + len(payload):,} bytes is too large")
    return _HEADER.pack(len(text), len(payload), descriptors) + text + payload


def receive_first(sock: socket.socket, parser: TypeAdapter[_Message]) -> _Message:
    """Wait for the first message of a blocking socket, before there is an event loop. It has no descriptor.

    Raises:
        EOFError: the peer is gone.
        ChannelError: the message is invalid.
    """
    text_size, payload_size, _ = _HEADER.unpack(_exactly(sock, _HEADER.size))
    if text_size + payload_size > MAX_FRAME_BYTES:
        raise ChannelError("the first frame is too large")
    text = _exactly(sock, text_size)
    _exactly(sock, payload_size)
    return _parsed(parser, text)


def _exactly(sock: socket.socket, size: int) -> bytes:
    data = bytearray()
    while len(data) < size:
        if not (piece := sock.recv(size - len(data))):
            raise EOFError
        data += piece
    return bytes(data)


def _parsed(parser: TypeAdapter[_Message], text: bytes) -> _Message:
    try:
        return parser.validate_json(text)
    except ValidationError as error:
        wrong = error.errors(include_url=False, include_input=False, include_context=False)[0]
        raise ChannelError(f"invalid message: {'.'.join(map(str, wrong['loc']))}: {wrong['msg']}") from None


ENDED = "it has ended"
"""Why a channel was lost if the peer has closed it."""


class Channel(Generic[_Message]):
    """One end of the channel. Belongs to one event loop.

    Args:
        sock: one of a pair of Unix stream sockets. The channel owns it.
        parser: of the messages that this end receives.
        receive: called with each message, its payload, and its file descriptors, which it then owns.
        lost: called once, when the peer is gone or what it has sent cannot be used; not after `close`. Its argument is
            the reason: `ENDED`, or what is wrong.
        descriptors: whether the peer may send file descriptors. Otherwise the system closes what it sends.
    """

    def __init__(
        self,
        sock: socket.socket,
        parser: TypeAdapter[_Message],
        receive: Callable[[_Message, bytes, Sequence[int]], None],
        lost: Callable[[str], None],
        *,
        descriptors: bool = False,
    ) -> None:
        self._sock = sock
        self._parser = parser
        self._receive = receive
        self._lost = lost
        self._takes_descriptors = descriptors
        self._loop = asyncio.get_running_loop()
        self._read = bytearray()
        self._descriptors: deque[int] = deque()
        self._queue: deque[_Outgoing] = deque()
        self._queued_bytes = 0
        self._closed = False
        self._emptied = asyncio.Event()
        self._emptied.set()
        sock.setblocking(False)
        self._loop.add_reader(sock.fileno(), self._readable)

    @property
    def queued_bytes(self) -> int:
        """Bytes that wait to be sent."""
        return self._queued_bytes

    # --- sending ----------------------------------------------------------------------------------------------------

    def send(self, message: BaseModel, payload: bytes = b"", *, descriptors: Sequence[int] = ()) -> bool:
        """Send a message. Returns False, without sending it, if the peer is gone or too much waits for it already.

        Args:
            message: one that the peer's parser knows.
            payload: bytes beside it.
            descriptors: file descriptors beside it, at most `MAX_DESCRIPTORS`. The peer gets duplicates; the caller
                still owns these.
        """
        if self._closed:
            return False
        data = frame(message, payload, len(descriptors))
        if self._queued_bytes + len(data) > MAX_QUEUED_BYTES:
            return False
        # Duplicates, since the caller may close its own while the frame waits.
        self._queue.append(_Outgoing(memoryview(data), [os.dup(descriptor) for descriptor in descriptors]))
        self._queued_bytes += len(data)
        if len(self._queue) == 1:
            self._write()
        return True

    def _write(self) -> None:
        """Send what waits, as far as the socket takes it."""
        while self._queue:
            data, descriptors = self._queue[0]
            try:
                sent = socket.send_fds(self._sock, [data], descriptors) if descriptors else self._sock.send(data)
            except (BlockingIOError, InterruptedError):
                self._emptied.clear()
                self._loop.add_writer(self._sock.fileno(), self._write)
                return
            except OSError:  # the peer is gone: `_readable` notices, after what it has sent before
                self._drop_queue()
                return
            _close(descriptors)
            self._queued_bytes -= sent
            if sent < len(data):
                self._queue[0] = _Outgoing(data[sent:], [])
            else:
                self._queue.popleft()
        self._loop.remove_writer(self._sock.fileno())
        self._emptied.set()

    def _drop_queue(self) -> None:
        for outgoing in self._queue:
            _close(outgoing.descriptors)
        self._queue.clear()
        self._queued_bytes = 0
        self._emptied.set()
        if self._sock.fileno() >= 0:
            self._loop.remove_writer(self._sock.fileno())

    async def flush(self, timeout_s: float) -> None:
        """Wait until everything is sent, `timeout_s` at most."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._emptied.wait()
        except TimeoutError:
            log.warning("channel_not_flushed", queued_bytes=self._queued_bytes)

    # --- receiving --------------------------------------------------------------------------------------------------

    def _readable(self) -> None:
        try:
            data = self._received()
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            data = b""
        if not data:
            self._lose(ENDED)
            return
        self._read += data
        try:
            self._handle_frames()
        except ChannelError as error:
            self._lose(str(error))

    def _received(self) -> bytes:
        if not self._takes_descriptors:
            return self._sock.recv(READ_BYTES)
        # `socket.recv_fds` ignores its flags: an agent's programs would inherit the sockets of callers.
        data, ancillary, _, _ = self._sock.recvmsg(READ_BYTES, _ANCILLARY_BYTES, _CLOSE_ON_EXEC)
        for level, kind, received in ancillary:
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                self._descriptors.extend(memoryview(received[: len(received) // 4 * 4]).cast("i"))
        return data

    def _handle_frames(self) -> None:
        while not self._closed and len(self._read) >= _HEADER.size:
            text_size, payload_size, descriptors = _HEADER.unpack_from(self._read)
            size = text_size + payload_size
            if size > MAX_FRAME_BYTES:
                raise ChannelError(f"a frame of {size:,} bytes is too large")
            begin, end = _HEADER.size, _HEADER.size + size
            if len(self._read) < end:
                return
            text, payload = bytes(self._read[begin : begin + text_size]), bytes(self._read[begin + text_size : end])
            del self._read[:end]
            if descriptors > len(self._descriptors):
                raise ChannelError("a frame lacks its file descriptors")
            message = _parsed(self._parser, text)
            beside = [self._descriptors.popleft() for _ in range(descriptors)]
            try:
                self._receive(message, payload, beside)
            except Exception as error:  # noqa: BLE001 - one message must not keep others from being handled
                failed("channel", error, of=type(message).__name__)

    def _lose(self, reason: str) -> None:
        if not self._closed:
            self.close()
            self._lost(reason)

    def close(self) -> None:
        """Close the channel. What waits to be sent is dropped. Idempotent."""
        if self._closed:
            return
        self._closed = True
        self._loop.remove_reader(self._sock.fileno())
        self._drop_queue()
        _close(self._descriptors)
        self._descriptors.clear()
        self._sock.close()


def _close(descriptors: list[int] | deque[int]) -> None:
    for descriptor in descriptors:
        os.close(descriptor)
