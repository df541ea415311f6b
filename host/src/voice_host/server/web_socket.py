"""uvicorn's WebSocket protocol: a short cut for the microphone, and little patience with clients slow or half gone."""

from __future__ import annotations

import socket
from asyncio import BaseTransport, TimerHandle
from collections.abc import Callable
from typing import Any

from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import CloseCode, Frame
from websockets.http11 import Request

from voice_host import metrics
from voice_host.session.client_link import AUDIO_EXTENSION

UNREADABLE = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"

MAX_FRAGMENTS = 4096
"""Pieces of one message: the largest frame in pieces of 256 bytes. Its size alone would not bound empty ones."""

CLOSE_TIMEOUT_S = 12.0
"""How long a connection may outlive its call: uvicorn itself waits 10 s for the client's close frame."""


class CallProtocol(WebSocketsSansIOProtocol):
    """Hands binary messages to a function instead of queueing them for the application.

    A call's microphone sends 50 of them a second. uvicorn stops reading the socket for each, wakes the application's
    task and resumes reading, which took a quarter of a call's CPU. Whoever takes the audio must not block and bounds
    what it keeps, since nothing holds the sender back. Text goes the usual way.
    """

    write_buffer_bytes = 8192
    """`limits.write_buffer_bytes`, set by a subclass."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._take_audio: Callable[[bytes], None] | None = None
        self._closing: TimerHandle | None = None
        self._failed = False

    # --- audio ----------------------------------------------------------------------------------------------------

    def handle_connect(self, event: Request) -> None:
        super().handle_connect(event)  # the application's task has been made, and has not run yet
        if self.close_sent:
            metrics.REQUESTS_REFUSED.labels(str(self.response.status_code), "unreadable").inc()
        else:
            self.scope["extensions"][AUDIO_EXTENSION] = {"divert": self._divert}

    def send_receive_event_to_app(self) -> None:
        data = self.frames[0] if len(self.frames) == 1 else b"".join(self.frames)
        if self.curr_msg_data_type == "text" and not self.close_sent and not _is_utf8(data):
            self._fail(CloseCode.INVALID_DATA)
        elif self._take_audio is None or self.curr_msg_data_type == "text" or self.close_sent:
            self.frames = [data]
            super().send_receive_event_to_app()
        else:
            self.frames = []
            self._take_audio(data)

    def _divert(self, take_audio: Callable[[bytes], None]) -> None:
        self._take_audio = take_audio

    # --- clients that are slow, whom old audio would only keep from what is said now ---------------------------------

    def connection_made(self, transport: BaseTransport) -> None:
        """Bound what waits for the client: the application is to notice a stall, not asyncio's 64 KiB and the system's.

        The system is told how much it may hold that was not sent yet. What is on its way is none of that, so that a
        long way needs no larger buffer. Windows has no such option.
        """
        super().connection_made(transport)
        self.transport.set_write_buffer_limits(high=self.write_buffer_bytes)
        sock = self.transport.get_extra_info("socket")
        if hasattr(socket, "TCP_NOTSENT_LOWAT") and sock.family in (socket.AF_INET, socket.AF_INET6):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, self.write_buffer_bytes)

    def handle_ping(self) -> None:
        """Answer a ping, unless the answers before it were not taken. uvicorn keeps any number of them."""
        if self.writable.is_set() or self.conn.close_sent is not None:
            super().handle_ping()
        else:
            self.conn.data_to_send()

    # --- messages that cannot be taken ----------------------------------------------------------------------------

    def handle_cont(self, event: Frame) -> None:
        if len(self.frames) >= MAX_FRAGMENTS:
            self._fail(CloseCode.MESSAGE_TOO_BIG)
        else:
            super().handle_cont(event)

    def _fail(self, code: CloseCode) -> None:
        """Close as for any other breach of the WebSocket protocol. uvicorn would log it with a traceback."""
        self.frames = []
        if not self.close_sent:
            self.conn.fail(code)
            self.handle_parser_exception()

    def handle_parser_exception(self) -> None:
        """Frames that break the rules. uvicorn takes it for granted that the connection was accepted by then."""
        self._failed = True
        if self.conn.close_sent is not None and self.conn.close_sent.code == CloseCode.MESSAGE_TOO_BIG:
            metrics.LIMITS_EXCEEDED.labels("", "max_frame_bytes").inc()
        if self.conn.close_sent is None:
            self.transport.abort()
        else:
            super().handle_parser_exception()

    async def send(self, message: Any) -> None:
        """Send for the application, which may yet answer what came before the client broke the rules: in vain."""
        try:
            await super().send(message)
        except RuntimeError:
            if self._failed:
                raise ClientDisconnected from None
            raise

    # --- requests that cannot be read -----------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.conn.handshake_exc is not None and not self.handshake_initiated:
            # A header of more than 8 KiB, say. uvicorn would keep the connection, and never answer.
            metrics.REQUESTS_REFUSED.labels("400", "unreadable").inc()
            self.transport.write(UNREADABLE)
            self.transport.close()

    # --- clients that are half gone, for whom uvicorn would wait until they take what was sent ---------------------

    def keepalive_timeout(self) -> None:
        """A ping was not answered. What the client has not taken it will not take: tell the call at once."""
        metrics.LIMITS_EXCEEDED.labels("", "ping_timeout_s").inc()
        super().keepalive_timeout()
        self.transport.abort()

    async def run_asgi(self) -> None:
        """Run the call; the connection may outlive it by the time a close takes, and no longer."""
        try:
            await super().run_asgi()
        finally:
            self._take_audio = None
            if not self.disconnected:
                self._closing = self.loop.call_later(CLOSE_TIMEOUT_S, self.transport.abort)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if self._closing is not None:
            self._closing.cancel()


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
