"""uvicorn's HTTP protocol with a limit on how much of a connection's data is parsed at a time."""

from __future__ import annotations

import asyncio
from asyncio import Handle
from collections.abc import Callable
from typing import Any, cast

import h11
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.h11_impl import H11Protocol

from voice_host.observability import metrics

WINDOW_S = 0.01
PARSING_PER_WINDOW_S = 0.001
"""Time that parsing may take for one connection in 10 ms: one client delays a call's audio by little more, and takes
about a tenth of a core. The rest of what it sends waits in its own socket. A whole request usually takes less."""

SLICE_BYTES = 512
"""How much is parsed between two readings of the clock: at most 85 chunks of a body, about 2 ms, or a usual request.
The parser limits the size of headers to 16 KiB only where it does not get the whole request at once."""

MAX_HEADERS = 128
"""Of one request; proxies in front of servers have similar limits. 16 KiB hold 4,000, which take 60 ms."""


class PacedHTTPProtocol(H11Protocol):
    """Parses what a client sends in slices.

    uvicorn parses all of a read at once. 256 KiB of chunks with one byte each would hold the event loop for a second.
    It has a second parser, which is used where it happens to be installed and has other limits; this is always h11.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._unparsed = b""  # of one read, or of two: the connection is not read while something is left
        self._parsing_later: Handle | None = None
        self._window_ends_s = 0.0
        self._parsed_for_s = 0.0
        self._header_lines = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take over a connection."""
        super().connection_made(cast(asyncio.Transport, transport))
        self.flow = _NotifyingFlow(self.transport, self._go_on_parsing)

    def data_received(self, data: bytes) -> None:
        """Parse what came, or as much of it as may be now."""
        self._unparsed += data
        if self._parsing_later is None:
            self._parse()

    def _parse(self) -> None:
        """Feed the parser until all is parsed, the window is used up, or an answer or a reader of a body is due."""
        self._parsing_later = None
        now_s = self.loop.time()
        if now_s >= self._window_ends_s:
            self._window_ends_s = now_s + WINDOW_S
            self._parsed_for_s = 0.0
        data, fed = self._unparsed, 0
        while fed < len(data) and self._parsed_for_s < PARSING_PER_WINDOW_S and self._takes_data():
            self._feed(data[fed : fed + SLICE_BYTES])
            fed += SLICE_BYTES
            began_s, now_s = now_s, self.loop.time()
            self._parsed_for_s += now_s - began_s
        self._unparsed = data[fed:] if self._is_http() else b""
        if not self._unparsed:
            return
        self.transport.pause_reading()
        if not self.flow.read_paused:
            metrics.LIMITS_EXCEEDED.labels("", "http_parsing").inc()
            self._parsing_later = self.loop.call_later(WINDOW_S, self._parse_on)

    def _feed(self, piece: bytes) -> None:
        if self.conn.their_state is h11.IDLE:
            self._header_lines += piece.count(b"\n")
        super().data_received(piece)
        if self.conn.their_state is not h11.IDLE:
            self._header_lines = 0
        elif self._header_lines > MAX_HEADERS:
            self.send_400_response("Too many headers.")

    def _parse_on(self) -> None:
        self._parse()
        if self._is_http() and not self._unparsed and not self.flow.read_paused:
            self.transport.resume_reading()

    def _go_on_parsing(self) -> None:
        """uvicorn wants to read again: a request was answered, or what there was of its body was taken."""
        if self._unparsed and self._is_http():
            self.transport.pause_reading()
            if self._parsing_later is None:
                self._parsing_later = self.loop.call_soon(self._parse_on)

    def _takes_data(self) -> bool:
        return self._is_http() and not self.flow.read_paused

    def _is_http(self) -> bool:
        """Whether this is still an open connection, and did not become a WebSocket."""
        return not self.transport.is_closing() and self.transport.get_protocol() is self

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget what was not parsed."""
        self._unparsed = b""
        if self._parsing_later is not None:
            self._parsing_later.cancel()
        super().connection_lost(exc)


class _NotifyingFlow(FlowControl):
    """Tells when uvicorn resumes reading."""

    def __init__(self, transport: asyncio.Transport, resumed: Callable[[], None]) -> None:
        super().__init__(transport)
        self._resumed = resumed

    def resume_reading(self) -> None:
        if self.read_paused:
            super().resume_reading()
            self._resumed()
