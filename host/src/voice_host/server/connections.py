"""How long a connection may take, and what is done about one that takes longer: uvicorn's protocols with deadlines."""

from __future__ import annotations

import asyncio
from typing import Any, cast

from uvicorn.protocols.http.auto import AutoHTTPProtocol

from voice_host import metrics
from voice_host.server.web_socket import CallProtocol
from voice_host.settings import Settings

_HTTP: Any = AutoHTTPProtocol  # h11, or httptools where it is installed: known when it is imported, not to mypy


def connection_options(settings: Settings) -> dict[str, Any]:
    """Return what `uvicorn.Config` is told so that the limits of connections are kept."""
    limits = settings.limits
    return {
        "http": _http_protocol(limits.handshake_timeout_s),
        "ws": _call_protocol(limits.write_buffer_bytes),
        "ws_per_message_deflate": False,  # audio does not compress
        "ws_max_size": limits.max_frame_bytes,
        "ws_ping_interval": limits.ping_interval_s,
        "ws_ping_timeout": limits.ping_timeout_s,
        "proxy_headers": bool(settings.server.trusted_proxies),
        "forwarded_allow_ips": list(settings.server.trusted_proxies),
    }


def _call_protocol(buffer_bytes: int) -> type[CallProtocol]:
    class BoundedCallProtocol(CallProtocol):
        write_buffer_bytes = buffer_bytes

    return BoundedCallProtocol


def _http_protocol(timeout_s: float) -> type[asyncio.Protocol]:
    """uvicorn's HTTP protocol, cut when no whole request comes: uvicorn waits for a first one without end."""

    class DeadlineHTTPProtocol(_HTTP):  # type: ignore[misc]
        def connection_made(self, transport: asyncio.Transport) -> None:
            super().connection_made(transport)
            self._judged = None
            self._deadline = self.loop.call_later(timeout_s, self._judge)

        def connection_lost(self, exc: Exception | None) -> None:
            self._deadline.cancel()
            super().connection_lost(exc)

        def handle_websocket_upgrade(self, *event: Any) -> None:
            self._deadline.cancel()  # it would hold the whole connection until then
            super().handle_websocket_upgrade(*event)

        def send_400_response(self, msg: str) -> None:
            metrics.REQUESTS_REFUSED.labels("400", "unreadable").inc()
            super().send_400_response(msg)

        def _judge(self) -> None:
            """Let go what answers a request or has had a new one since the last look; cut what dawdles."""
            if self.transport.is_closing():
                return
            request = self.cycle
            answering = request is not None and not request.more_body and not request.response_complete
            if answering or request is not self._judged:
                self._judged = request
                self._deadline = self.loop.call_later(timeout_s, self._judge)
            else:
                metrics.LIMITS_EXCEEDED.labels("", "handshake_timeout_s").inc()
                self.transport.abort()

    return cast(type[asyncio.Protocol], DeadlineHTTPProtocol)
