"""uvicorn's protocols as the host runs them: how many connections there may be, and how long each may take."""

from __future__ import annotations

import asyncio
from typing import Any

from voice_host.clients.transport.web_socket import CallProtocol
from voice_host.front.connection_table import ConnectionTable, most_connections, share_of_address
from voice_host.front.descriptors import descriptor_limit
from voice_host.front.http_protocol import PacedHTTPProtocol
from voice_host.observability import metrics
from voice_host.settings import Settings

NO_ROOM = b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\nretry-after: 1\r\nconnection: close\r\n\r\n"


def connection_options(settings: Settings) -> dict[str, Any]:
    """Return what `uvicorn.Config` is told so that the limits of connections are kept."""
    limits = settings.limits
    most = most_connections(limits.max_connections, descriptor_limit())
    table = ConnectionTable(
        most,
        share_of_address(limits.max_connections_per_address, most),
        settings.server.trusted_proxies,
    )
    return {
        "http": _http_protocol(limits.handshake_timeout_s, table),
        "ws": _call_protocol(limits.write_buffer_bytes, table),
        "ws_per_message_deflate": False,  # audio does not compress
        "ws_max_size": limits.max_frame_bytes,
        "ws_ping_interval": limits.ping_interval_s,
        "ws_ping_timeout": limits.ping_timeout_s,
        "proxy_headers": bool(settings.server.trusted_proxies),
        "forwarded_allow_ips": list(settings.server.trusted_proxies),
    }


def _call_protocol(buffer_bytes: int, table: ConnectionTable) -> type[CallProtocol]:
    class BoundedCallProtocol(CallProtocol):
        write_buffer_bytes = buffer_bytes

        def connection_lost(self, exc: Exception | None) -> None:
            table.close(self.transport)
            super().connection_lost(exc)

    return BoundedCallProtocol


def _http_protocol(timeout_s: float, table: ConnectionTable) -> type[asyncio.Protocol]:
    """uvicorn's HTTP protocol with a deadline: uvicorn waits without end for a request, and for answers to be read."""

    class DeadlineHTTPProtocol(PacedHTTPProtocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            super().connection_made(transport)
            self._seen: tuple[object, int] = (None, 0)
            self._deadline = self.loop.call_later(timeout_s, self._check_progress)
            if not table.open(transport):
                self.transport.write(NO_ROOM)
                self.transport.close()

        def connection_lost(self, exc: Exception | None) -> None:
            self._deadline.cancel()
            table.close(self.transport)
            super().connection_lost(exc)

        def handle_events(self) -> None:
            super().handle_events()
            if self._answering():
                table.busy(self.transport)

        def on_response_complete(self) -> None:
            table.idle(self.transport)
            super().on_response_complete()  # begins with the next of pipelined requests

        def handle_websocket_upgrade(self, *event: Any) -> None:
            self._deadline.cancel()  # it would hold the whole connection until then
            table.busy(self.transport)
            super().handle_websocket_upgrade(*event)

        def send_400_response(self, msg: str) -> None:
            metrics.REQUESTS_REFUSED.labels("400", "unreadable").inc()
            super().send_400_response(msg)

        def _answering(self) -> bool:
            request = self.cycle
            return request is not None and not request.response_complete

        def _check_progress(self) -> None:
            """Cut a connection on which nothing happened since the last look: no new request, and no answer was read.

            A request whose body is complete may take its time to be answered.
            """
            unread = self.transport.get_write_buffer_size()
            seen = (self.cycle, unread)
            computing = self._answering() and not self.cycle.more_body and not unread
            if not computing and seen == self._seen:
                metrics.LIMITS_EXCEEDED.labels("", "handshake_timeout_s").inc()
                self.transport.abort()
                return
            self._seen = seen
            self._deadline = self.loop.call_later(timeout_s, self._check_progress)

    return DeadlineHTTPProtocol
