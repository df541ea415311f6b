"""uvicorn's WebSocket protocol, with a fast path for audio and limits for clients that flood, stall or disappear."""

from __future__ import annotations

import os
import socket
from asyncio import BaseTransport, Handle, TimerHandle, Transport
from collections.abc import Callable, Sequence
from contextlib import suppress
from http import HTTPStatus
from operator import sub
from typing import Any, Literal, cast

from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import CloseCode
from websockets.frames import Frame as WebSocketFrame
from websockets.http11 import Request
from websockets.protocol import State

from voice_host.admission.rates import TokenBucket
from voice_host.clients.protocol import Frame
from voice_host.clients.transport import CannotHandOver, ConnectionLost
from voice_host.clients.transport.asgi import FAST_PATH, FastPath
from voice_host.clients.transport.frames import FrameTracker, framed, whole_messages
from voice_host.clients.transport.stream_position import CountedTransport, StreamPosition
from voice_host.observability import metrics

UNREADABLE = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"

MAX_FRAGMENTS = 4096
"""Limit of fragments per message: the largest message in fragments of 256 bytes. A limit of size would allow any number
of empty ones."""

WINDOW_S = 0.01
FRAMES_PER_WINDOW = 32
"""Frames of one connection that are parsed per 10 ms. Parsing them takes less than 1 ms, so one client neither delays
other clients' audio by more than that nor uses more than a tenth of a core, however small its frames are. The rest of a
flood waits in the client's own socket. A microphone sends 50 frames a second."""

SLICE_BYTES = 192
"""Bytes of a large read that are parsed between two checks of the count: 32 frames of the smallest size. A longer frame
is parsed at once."""

SMALL_READ_BYTES = 1400
"""Largest read that is parsed at once: 40 ms of audio at 16 kHz, or at most 233 frames."""

CONTROL_FRAMES_PER_S = 20.0
CONTROL_FRAMES_BURST = 400
"""Limit of pings and pongs from one client. Libraries send one every 10 to 30 s. Each costs as much as an audio frame,
but does not count towards the call's limits."""

WRITE_BUFFER_BYTES = 8192
"""Limit of unsent data, once in the host and once in the system's socket buffer: together a third of a second of speech
at 24 kHz. Speech beyond that waits in the playout, where it can still be skipped if it is late."""

CLOSE_TIMEOUT_S = 12.0
"""How long a connection may outlive its call. uvicorn itself waits 10 s for the client's close frame."""

REFUSED_CLOSE_TIMEOUT_S = 1.0
"""The same for a call that was refused: the close frame is sent, and nothing from the client is needed."""


class CallProtocol(WebSocketsSansIOProtocol):
    """Offers messages to a function before it queues them for the application.

    A microphone sends 50 of them a second. For each, uvicorn pauses reading, wakes the application's task and resumes
    reading, which took a quarter of a call's CPU time. The function must not block, and must bound what it keeps, since
    there is no back-pressure. What it does not take follows the usual path.

    A message nearly always arrives as one frame, in a read of its own. That case is handled here, several times as fast
    as by the general parser, which handles everything else.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._take: Callable[[Frame], bool] | None = None
        self._was_offered = False  # the next message that the parser finds
        self._is_call = False
        self._request = b""
        self._known_client: tuple[str, int] | None = None
        self._known_scheme: Literal["ws", "wss"] = "ws"
        self._position: StreamPosition | None = None
        self._is_adopted = False
        self.is_handed_over = False
        self._closing: TimerHandle | None = None
        self._failed = False
        self._frames = FrameTracker()
        self._unparsed = b""  # from one read, or two: reading is paused while something is left
        self._frames_in_window = 0
        self._window_ends_s = 0.0
        self._parsing_later: Handle | None = None
        self._control_frames = TokenBucket(CONTROL_FRAMES_PER_S, CONTROL_FRAMES_BURST, self.loop.time)

    # --- audio ----------------------------------------------------------------------------------------------------

    def handle_connect(self, event: Request) -> None:
        try:
            super().handle_connect(event)  # the application's task has been created and has not run yet
        except UnicodeEncodeError:  # websockets would refuse a header of the handshake, but cannot quote it
            self._refuse_handshake("a header of the handshake is not ASCII")
        if self.close_sent:
            metrics.REQUESTS_REFUSED.labels(str(self.response.status_code), "unreadable").inc()
        else:
            fast_path: Any = FastPath(self._divert, self._write_now, self._hand_over)
            self.scope["extensions"][FAST_PATH] = fast_path

    def _refuse_handshake(self, reason: str) -> None:
        self.handshake_initiated = self.handshake_complete = self.close_sent = True
        self.response = self.conn.reject(HTTPStatus.BAD_REQUEST, f"{reason}\n")
        self.conn.send_response(self.response)
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.transport.close()

    def send_receive_event_to_app(self) -> None:
        data = self.frames[0] if len(self.frames) == 1 else b"".join(self.frames)
        is_text = self.curr_msg_data_type == "text"
        if is_text and not self.close_sent and not _is_utf8(data):
            self._fail(CloseCode.INVALID_DATA)
        elif self._is_taken(data, is_text=is_text):
            self.frames = []
        else:
            self.frames = [data]
            super().send_receive_event_to_app()

    def _is_taken(self, data: bytes, *, is_text: bool) -> bool:
        """Offer a message, unless it is text that would overtake another one."""
        was_offered, self._was_offered = self._was_offered, False
        if was_offered or self._take is None or self.close_sent or (is_text and self.read_paused):
            return False
        return self._take(data.decode() if is_text else data)

    def _take_whole_messages(self, data: bytes) -> int:
        """Take messages of a read that is nothing but whole messages, up to the first that is not taken.

        Returns:
            how many bytes they have. The parser has to see the rest.
        """
        conn = self.conn
        if self._take is None or not self._frames.between_frames or self.read_paused or self.close_sent:
            return 0
        if conn.state is not State.OPEN or conn.current_size is not None or conn.extensions:
            return 0
        messages = list(whole_messages(data))
        if not messages or messages[-1][1] != len(data):
            return 0
        ends = [0, *(end for _, end in messages)]
        if conn.max_message_size is not None and max(map(sub, ends[1:], ends)) > conn.max_message_size:
            return 0  # or nearly, with its header
        taken = 0
        for message, end in messages:
            if not self._take(message):
                self._was_offered = True
                break
            taken = end
            self._frames_in_window += 1
        return taken

    def _divert(self, take: Callable[[Frame], bool]) -> None:
        self._take = take
        self._is_call = True

    # --- to the client --------------------------------------------------------------------------------------------

    def _write_now(self, frames: Sequence[Frame]) -> bool:
        """Write frames of an accepted call, as `send` would but quicker, unless earlier data is waiting to be sent."""
        conn = self.conn
        if not self.writable.is_set() or conn.state is not State.OPEN or self.transport.is_closing():
            return False
        if conn.extensions or conn.writes:
            return False  # compression, or an answer to a ping that goes first
        self.transport.write(b"".join(map(framed, frames)))
        return True

    # --- connections that other processes serve -------------------------------------------------------------------

    def begin_with(
        self,
        request: bytes,
        client: tuple[str, int] | None = None,
        scheme: Literal["ws", "wss"] = "ws",
        position: StreamPosition | None = None,
    ) -> None:
        """Serve a connection that was accepted elsewhere, where `request` was read from it, as soon as it is made.

        Args:
            request: the head of the upgrade request, and what followed it.
            client: the client's address, as its first server knows it; None: the socket's own.
            scheme: as the first server knows it.
            position: where to count what is written; None: it is not counted.
        """
        self._request = request
        self._known_client, self._known_scheme = client, scheme
        self._position = position
        self._is_adopted = True

    def _hand_over(self) -> tuple[socket.socket, bytes]:
        if self.disconnected or self.transport.is_closing():
            raise ConnectionLost
        if self.handshake_complete or not self.handshake_initiated:
            raise CannotHandOver("the connection was answered already")
        if self.transport.get_extra_info("sslcontext") is not None:
            raise CannotHandOver("encrypted connections cannot be handed over; let a proxy decrypt them")
        self.transport.pause_reading()
        duplicate = socket.socket(fileno=os.dup(self.transport.get_extra_info("socket").fileno()))
        self.handshake_complete = self.close_sent = True  # uvicorn answers nothing any more
        self.is_handed_over = True
        early, self._unparsed = self._unparsed, b""
        self.transport.abort()  # closes this descriptor, not the connection
        return duplicate, early

    # --- clients that flood ---------------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """Parse received data, as far as the limits allow; reading is paused while some of it is left."""
        waits = self._unparsed or self._parsing_later is not None or self.read_paused or self._unanswered
        if waits or len(data) > SMALL_READ_BYTES:
            self._unparsed += data
            if self._parsing_later is None:
                self._parse()
            return
        self._open_window()
        self._parse_piece(data)
        self._after_parsing()

    def _parse_piece(self, data: bytes) -> None:
        if taken := self._take_whole_messages(data):
            data = data[taken:]
        if data:
            super().data_received(data)
            self._frames.follow(data)
            self._was_offered = False

    def _open_window(self) -> None:
        now_s = self.loop.time()
        if now_s >= self._window_ends_s:
            self._window_ends_s = now_s + WINDOW_S
            self._frames_in_window = 0

    def _parse(self) -> None:
        """Parse until everything is parsed, the window is used up, or a message waits for the application."""
        self._parsing_later = None
        self._open_window()
        data, fed = self._unparsed, 0
        while fed < len(data) and not self._must_wait():
            size = max(SLICE_BYTES, self._frames.rest_of_frame(data, fed))
            self._parse_piece(data[fed : fed + size])
            fed += size
        self._unparsed = data[fed:]
        self._after_parsing()

    def _must_wait(self) -> bool:
        return self._unanswered or self._application_is_slow or self._window_used_up or self.transport.is_closing()

    @property
    def _unanswered(self) -> bool:
        """Whether the upgrade request is being decided on. What the client sends before the answer waits."""
        return self.handshake_initiated and not self.handshake_complete

    @property
    def _application_is_slow(self) -> bool:
        """Whether a message waits for the application, so that reading stays paused until it is received."""
        return self.read_paused and not self.close_sent

    @property
    def _window_used_up(self) -> bool:
        return self._frames_in_window >= FRAMES_PER_WINDOW

    def _after_parsing(self) -> None:
        self._refuse_unreadable()
        if self.transport.is_closing():
            self._unparsed = b""
        elif self._window_used_up:
            metrics.LIMITS_EXCEEDED.labels("", "frames_per_s").inc()
            self._parse_later(WINDOW_S)
        elif self._unparsed:
            self.transport.pause_reading()  # a message waits for the application: `receive()` continues

    def _parse_later(self, delay_s: float) -> None:
        self.transport.pause_reading()
        if self._parsing_later is None:
            self._parsing_later = self.loop.call_later(delay_s, self._parse_on)

    def _parse_on(self) -> None:
        self._parse()
        if not (self._unparsed or self._parsing_later or self.read_paused or self.transport.is_closing()):
            self.transport.resume_reading()

    async def receive(self) -> Any:
        """Return the next message for the application, and parse what follows it."""
        message = await super().receive()
        self._go_on_parsing()
        return message

    def _go_on_parsing(self) -> None:
        """Continue parsing, unless a message still waits for the application."""
        if not (self._unparsed or self._parsing_later) or self.transport.is_closing():
            return
        self.transport.pause_reading()  # uvicorn may have resumed reading
        if not self._application_is_slow:
            self._parse_later(0.0)

    def handle_events(self) -> None:
        self._frames_in_window += len(self.conn.events)
        super().handle_events()

    def _too_many_control_frames(self) -> bool:
        """Count a ping or pong. Returns whether there were too many, which ends the connection."""
        if self._control_frames.take():
            return False
        if not self._failed:
            metrics.LIMITS_EXCEEDED.labels("", "control_frames_per_s").inc()
            self._fail(CloseCode.POLICY_VIOLATION)
            self._failed = True
            self.transport.abort()
        return True

    # --- slow clients -------------------------------------------------------------------------------------------------

    def connection_made(self, transport: BaseTransport) -> None:
        """Limit the send buffers, so that the application notices a stalled client early.

        asyncio's default is 64 KiB, and the system's is larger. The system's limit applies to data not sent yet, not to
        data in flight, so a long round trip needs no larger buffer. Windows has no such option.
        """
        if self._position is not None:
            counted: Any = CountedTransport(cast(Transport, transport), self._position)
            transport = counted
        super().connection_made(transport)
        self.transport.set_write_buffer_limits(high=WRITE_BUFFER_BYTES)
        sock = self.transport.get_extra_info("socket")
        if hasattr(socket, "TCP_NOTSENT_LOWAT") and sock.family in (socket.AF_INET, socket.AF_INET6):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, WRITE_BUFFER_BYTES)
        if self._is_adopted:
            self.client, self.scheme = self._known_client or self.client, self._known_scheme
            request, self._request = self._request, b""
            self.data_received(request)

    def handle_ping(self) -> None:
        """Answer a ping, unless earlier answers are still waiting to be sent. uvicorn queues any number of them."""
        if self._too_many_control_frames():
            return
        if self.writable.is_set() or self.conn.close_sent is not None:
            super().handle_ping()
        else:
            self.conn.data_to_send()

    def handle_pong(self, event: WebSocketFrame) -> None:
        if not self._too_many_control_frames():
            super().handle_pong(event)

    # --- invalid messages -----------------------------------------------------------------------------------------

    def handle_cont(self, event: WebSocketFrame) -> None:
        if len(self.frames) >= MAX_FRAGMENTS:
            self._fail(CloseCode.MESSAGE_TOO_BIG)
        else:
            super().handle_cont(event)

    def _fail(self, code: CloseCode) -> None:
        """Close as for any other violation of the WebSocket protocol. uvicorn would log a traceback."""
        self.frames = []
        if not self.close_sent:
            self.conn.fail(code)
            self.handle_parser_exception()

    def handle_parser_exception(self) -> None:
        """Handle frames that violate the protocol. uvicorn assumes that the connection was accepted before."""
        self._failed = True
        if self.conn.close_sent is not None and self.conn.close_sent.code == CloseCode.MESSAGE_TOO_BIG:
            metrics.LIMITS_EXCEEDED.labels("", "max_frame_bytes").inc()
        if self.conn.close_sent is None:
            self.transport.abort()
        else:
            super().handle_parser_exception()

    async def send(self, message: Any) -> None:
        """Send for the application. Ignored after a violation: it may still be answering earlier messages."""
        try:
            await super().send(message)
        except RuntimeError:
            if self._failed:
                raise ClientDisconnected from None
            raise
        if message["type"] in ("websocket.accept", "websocket.close"):
            # What came before the answer waits; the close frame may be behind messages that will not be received.
            self._go_on_parsing()

    # --- invalid requests -----------------------------------------------------------------------------------------

    def _refuse_unreadable(self) -> None:
        if self.conn.handshake_exc is not None and not self.handshake_initiated:
            # Such as a header of more than 8 KiB. uvicorn would keep the connection open and never answer.
            metrics.REQUESTS_REFUSED.labels("400", "unreadable").inc()
            self.transport.write(UNREADABLE)
            self.transport.close()

    # --- clients that disappear -----------------------------------------------------------------------------------

    def keepalive_timeout(self) -> None:
        """A ping was not answered: report the loss to the call at once, without waiting for unsent data."""
        metrics.LIMITS_EXCEEDED.labels("", "ping_timeout_s").inc()
        super().keepalive_timeout()
        self.transport.abort()

    async def run_asgi(self) -> None:
        """Run the call. Afterwards the connection is given a limited time to close, and is then aborted."""
        try:
            await super().run_asgi()
        finally:
            self._take = None
            self.scope["extensions"].pop(FAST_PATH, None)  # it refers to this connection
            if not self.disconnected:
                timeout_s = CLOSE_TIMEOUT_S if self._is_call else REFUSED_CLOSE_TIMEOUT_S
                self._closing = self.loop.call_later(timeout_s, self._cut)

    def _cut(self) -> None:
        metrics.LIMITS_EXCEEDED.labels("", "close_timeout_s").inc()
        self.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._is_adopted:
            self._end_connection()
        super().connection_lost(exc)
        self._unparsed = b""
        for handle in (self._closing, self._parsing_later):
            if handle is not None:
                handle.cancel()

    def _end_connection(self) -> None:
        """End the connection for the client, too: closing the descriptor does not while another process has one."""
        with suppress(OSError):
            duplicate = socket.socket(fileno=os.dup(self.transport.get_extra_info("socket").fileno()))
            with duplicate:
                duplicate.shutdown(socket.SHUT_RDWR)


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
