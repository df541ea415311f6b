"""uvicorn's HTTP protocol, with a limit on how long the parser runs at a time."""

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
"""Parsing time of one connection per 10 ms, so that a client neither delays calls by much more nor uses more than about
a tenth of a core. The rest of its data waits in its own socket. A whole request usually takes less."""

SLICE_BYTES = 512
"""Bytes that are parsed between two readings of the clock: a usual request, or at most 85 chunks of a body, about 2 ms.
The parser enforces its limit of 16 KiB of headers only if it does not get the whole request at once."""

MAX_HEADERS = 128
"""Limit of headers per request, similar to that of proxies. 16 KiB can contain 4,000, which take 60 ms to parse."""


class PacedHTTPProtocol(H11Protocol):
    """Parses received data in slices.

    uvicorn parses everything it reads at once: 256 KiB of chunks with one byte each would block the event loop for a
    second. This always uses h11, not uvicorn's alternative parser, which has other limits.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._unparsed = b""  # from one read, or two: reading is paused while something is left
        self._parsing_later: Handle | None = None
        self._window_ends_s = 0.0
        self._parsed_for_s = 0.0
        self._header_lines = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin with a new connection."""
        super().connection_made(cast(asyncio.Transport, transport))
        self.flow = _NotifyingFlow(self.transport, self._go_on_parsing)

    def data_received(self, data: bytes) -> None:
        """Parse received data, as far as the limits allow."""
        self._unparsed += data
        if self._parsing_later is None:
            self._parse()

    def _parse(self) -> None:
        """Feed the parser until everything is parsed, the time is used up, or it must wait for a response or reader."""
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
        if self._is_upgraded():
            self._pass_on(data[fed:])
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
        """Continue when uvicorn resumes reading, after a request was answered or its body was read."""
        if self._unparsed and self._is_http():
            self.transport.pause_reading()
            if self._parsing_later is None:
                self._parsing_later = self.loop.call_soon(self._parse_on)

    def _pass_on(self, rest: bytes) -> None:
        """Give the WebSocket what the client sent right after its upgrade request, which uvicorn would drop."""
        after_head, _ = self.conn.trailing_data
        if early := after_head + rest:
            cast(asyncio.Protocol, self.transport.get_protocol()).data_received(early)

    def _is_upgraded(self) -> bool:
        return not self.transport.is_closing() and self.transport.get_protocol() is not self

    def _takes_data(self) -> bool:
        return self._is_http() and not self.flow.read_paused

    def _is_http(self) -> bool:
        """Whether the connection is open and did not become a WebSocket."""
        return not self.transport.is_closing() and self.transport.get_protocol() is self

    def connection_lost(self, exc: Exception | None) -> None:
        """Drop unparsed data."""
        self._unparsed = b""
        if self._parsing_later is not None:
            self._parsing_later.cancel()
        super().connection_lost(exc)


class _NotifyingFlow(FlowControl):
    """Calls a function when uvicorn resumes reading."""

    def __init__(self, transport: asyncio.Transport, resumed: Callable[[], None]) -> None:
        super().__init__(transport)
        self._resumed = resumed

    def resume_reading(self) -> None:
        if self.read_paused:
            super().resume_reading()
            self._resumed()
