"""Sockets of one call to a service that takes one request per socket: one is always opened ahead."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from voice_host.speech.service_socket import ConnectFailed, ServiceConnection, cut
from voice_host.tasks import in_background


class WarmSockets:
    """Keeps one socket in reserve and closes used ones in the background.

    It owns every task and socket it creates; all of them are gone after `aclose()`.

    Args:
        connect: opens a socket, or raises.
    """

    def __init__(self, connect: Callable[[], Awaitable[ServiceConnection]]) -> None:
        self._connect = connect
        self._reserve: asyncio.Task[ServiceConnection] | None = None
        self._closing: dict[ServiceConnection, asyncio.Task[None]] = {}
        self._open: set[ServiceConnection] = set()
        self._closed = False

    @property
    def closed(self) -> bool:
        """Whether `aclose()` was called."""
        return self._closed

    def warm(self) -> asyncio.Task[ServiceConnection]:
        """Return the reserve, which may still be connecting; start connecting if there is none."""
        if self._reserve is None:
            self._reserve = asyncio.create_task(self.fresh(), name="warm-socket")
        return self._reserve

    async def take(self) -> ServiceConnection:
        """Take the reserve and start connecting the next one.

        The socket may have died since it was opened; the first use tells. If cancelled, the reserve is kept.

        Raises:
            ConnectFailed: this object is closed. Otherwise, whatever `connect` raises.
        """
        self._refuse_when_closed()
        while True:
            reserve = self.warm()
            await asyncio.wait({reserve})
            self._refuse_when_closed()
            if self._reserve is reserve:  # nobody else took it meanwhile
                break
        self._reserve = None
        self.warm()
        return reserve.result()

    async def fresh(self) -> ServiceConnection:
        """Connect without using the reserve. Raises what `take()` raises."""
        self._refuse_when_closed()
        socket = await self._connect()
        if self._closed:
            cut(socket)
        self._refuse_when_closed()
        self._open.add(socket)
        return socket

    def discard(self, socket: ServiceConnection) -> None:
        """Close `socket` in the background. Returns at once."""
        if socket in self._open and socket not in self._closing:
            self._closing[socket] = in_background(self._close(socket), "close-socket")

    async def aclose(self) -> None:
        """Close everything and wait for it. Idempotent. If cancelled, connections are aborted."""
        self._closed = True
        if self._reserve is not None:
            self._reserve.cancel()
            await self._finish({self._reserve})
            if not self._reserve.cancelled():
                self._reserve.exception()  # unused, so a failure does not matter
        for socket in self._open:
            self.discard(socket)
        if self._closing:
            await self._finish(set(self._closing.values()))

    async def _finish(self, tasks: set[asyncio.Task[Any]]) -> None:
        try:
            await asyncio.wait(tasks)
        except asyncio.CancelledError:
            for socket in self._open:
                cut(socket)
            await asyncio.wait({*tasks, *self._closing.values()})  # takes a few loop iterations, not the peer
            raise

    async def _close(self, socket: ServiceConnection) -> None:
        try:
            await socket.close()  # bounded by the close timeout the socket was opened with
        finally:
            self._open.discard(socket)
            del self._closing[socket]

    def _refuse_when_closed(self) -> None:
        if self._closed:
            raise ConnectFailed("the stream is closed", retryable=False)
