"""How far a connection's stream has been written, seen by another process."""

from __future__ import annotations

import mmap
import os
import struct
from asyncio import Transport
from collections.abc import Iterable
from typing import Any

_VALUE = struct.Struct("=Q")


class StreamPosition:
    """The number of bytes written to a connection, in memory that two processes share.

    It can still be read when the process that wrote it was killed. It is set *before* the bytes are written. So if the
    system was given as many bytes, then no written frame is incomplete, and another one may follow.

    Args:
        fd: the shared memory, of `create`, in this or another process. It is mapped, and closed.
    """

    __slots__ = ("_memory",)

    def __init__(self, fd: int) -> None:
        try:
            self._memory = mmap.mmap(fd, _VALUE.size)
        finally:
            os.close(fd)

    @staticmethod
    def create() -> int:
        """Return the descriptor of new shared memory (Linux). Raises `OSError` if there are no more descriptors."""
        fd = os.memfd_create("voice-host-stream-position")
        try:
            os.ftruncate(fd, _VALUE.size)
        except OSError:
            os.close(fd)
            raise
        return fd

    @property
    def value(self) -> int:
        """How many bytes were written, or are about to be."""
        value: int = _VALUE.unpack_from(self._memory)[0]
        return value

    @value.setter
    def value(self, written: int) -> None:
        _VALUE.pack_into(self._memory, 0, written)

    def close(self) -> None:
        """Unmap the memory."""
        self._memory.close()


class CountedTransport:
    """A transport that counts what is written, before it writes it.

    Everything but writing is the transport's own. uvloop's transports can be neither subclassed nor changed.

    Args:
        transport: the transport below.
        position: where it counts. The caller closes it.
    """

    def __init__(self, transport: Transport, position: StreamPosition) -> None:
        self._transport = transport
        self._position = position
        self._written = 0
        self._write = transport.write
        self.is_closing = transport.is_closing  # asked for each frame

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Count and write."""
        self._written += len(data)
        self._position.value = self._written
        self._write(data)

    def writelines(self, pieces: Iterable[bytes]) -> None:
        """Count and write."""
        self.write(b"".join(pieces))
