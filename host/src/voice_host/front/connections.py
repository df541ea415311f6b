"""Limits on the number and duration of connections, enforced in uvicorn's protocols."""

from __future__ import annotations

import asyncio
import ipaddress
import os
import socket
import struct
import sys
from asyncio import BaseTransport, Transport
from collections import Counter
from collections.abc import Sequence
from typing import Any, cast

from voice_host.admission.networks import Network, network_of
from voice_host.clients.transport.web_socket import CallProtocol
from voice_host.front.authorization import OPERATOR_TOKEN
from voice_host.front.http_protocol import PacedHTTPProtocol
from voice_host.observability import metrics
from voice_host.observability.logs import get_logger
from voice_host.settings import Settings

log = get_logger(__name__)

NO_ROOM = b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\nretry-after: 1\r\nconnection: close\r\n\r\n"

DESCRIPTORS_PER_CALL = 4
"""File descriptors of a call: the client's socket, and one each to speech-to-text, text-to-speech and the model."""

RESERVED_DESCRIPTORS = 64
"""Other file descriptors: listener, event loop, log and key files, health checks of speech services, libraries."""

WANTED_DESCRIPTORS = 65_536
"""More than one process can serve. Some systems have a hard limit of 2**30, with which programs that close all
descriptors of a child process one by one would take minutes."""


MIN_BODY_BYTES_PER_S = 8192
"""A body that comes more slowly counts as none. An agent's wheel of some MB may take a minute over a slow line."""


class ConnectionTable:
    """Counts and limits the connections of a process. Belongs to one event loop.

    At the limit, a new connection replaces the one that has been idle for longest. If none is idle, the new one is
    refused.

    Args:
        most: the limit in total.
        most_per_address: the limit for one IPv4 address or IPv6 /64. Loopback and proxies are exempt, since the client
            behind them is unknown before the request is read.
        proxies: addresses and networks whose forwarding headers are trusted; `*` exempts every address.
    """

    def __init__(self, most: int, most_per_address: int, proxies: Sequence[str] = ()) -> None:
        self._most = most
        self._most_per_address = most_per_address
        self._trust_all = "*" in proxies
        self._proxies = [ipaddress.ip_network(proxy, strict=False) for proxy in proxies if proxy != "*"]
        self._networks: dict[BaseTransport, Network | None] = {}
        self._idle: dict[BaseTransport, None] = {}  # ordered by when they became idle
        self._per_network: Counter[Network] = Counter()

    def __len__(self) -> int:
        return len(self._networks)

    def open(self, transport: BaseTransport) -> bool:
        """Add a new, idle connection. Returns False if there is no room, so that it must be closed."""
        network = self._limited_network(transport)
        if network is not None and self._per_network[network] >= self._most_per_address:
            metrics.LIMITS_EXCEEDED.labels("", "max_connections_per_address").inc()
            if not self._evict(network):
                return False
        if len(self._networks) >= self._most:
            metrics.LIMITS_EXCEEDED.labels("", "max_connections").inc()
            if not self._evict():
                return False
        self._networks[transport] = network
        self._idle[transport] = None
        if network is not None:
            self._per_network[network] += 1
        return True

    def busy(self, transport: BaseTransport) -> None:
        """Note that a request is being answered, or a call has begun."""
        self._idle.pop(transport, None)

    def idle(self, transport: BaseTransport) -> None:
        """Note that no request is being answered."""
        if transport in self._networks:
            self._idle.setdefault(transport)

    def close(self, transport: BaseTransport) -> None:
        """Note that a connection has ended. Idempotent."""
        self._idle.pop(transport, None)
        network = self._networks.pop(transport, None)
        if network is not None:
            self._per_network[network] -= 1
            if not self._per_network[network]:
                del self._per_network[network]

    def _evict(self, network: Network | None = None) -> bool:
        """Close the connection that has been idle for longest, of one network or of all."""
        found = next((t for t in self._idle if network is None or self._networks[t] == network), None)
        if found is None:
            return False
        self.close(found)
        cast(Transport, found).abort()
        return True

    def _limited_network(self, transport: BaseTransport) -> Network | None:
        peer = transport.get_extra_info("peername")
        if self._trust_all or not isinstance(peer, tuple):
            return None
        network = network_of(peer[0])
        if network is None or self._is_proxy(peer[0]):
            return None
        return network

    def _is_proxy(self, host: str) -> bool:
        address = ipaddress.ip_address(host.partition("%")[0])
        return any(address in proxy for proxy in self._proxies)


def most_connections(asked_for: int, descriptors: int) -> int:
    """Return how many connections are possible with `descriptors` file descriptors, if each becomes a call."""
    return max(1, min(asked_for, (descriptors - RESERVED_DESCRIPTORS) // DESCRIPTORS_PER_CALL))


def share_of_address(asked_for: int, most: int) -> int:
    """Return how many of `most` connections one address may have: at most half, to leave room for others."""
    return max(1, min(asked_for, most // 2))


def raise_descriptor_limit() -> None:
    """Raise the soft limit as far as the hard one allows. Systems start processes with 1,024 or 256."""
    if sys.platform == "win32":
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = WANTED_DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, WANTED_DESCRIPTORS)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        except (OSError, ValueError) as error:  # macOS has another limit below the hard one
            log.warning("descriptor_limit_not_raised", limit=soft, error=str(error))


def descriptor_limit() -> int:
    """Return the current soft limit."""
    if sys.platform == "win32":
        return WANTED_DESCRIPTORS  # Windows, where sockets do not count
    import resource

    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return WANTED_DESCRIPTORS if soft == resource.RLIM_INFINITY else soft


def connection_options(settings: Settings) -> dict[str, Any]:
    """Return options for `uvicorn.Config` that enforce the connection limits."""
    limits = settings.limits
    most = most_connections(limits.max_connections, descriptor_limit())
    table = ConnectionTable(
        most,
        share_of_address(limits.max_connections_per_address, most),
        settings.server.trusted_proxies,
    )
    return {
        "http": _http_protocol(limits.handshake_timeout_s, table),
        "ws": _call_protocol(table),
        "ws_per_message_deflate": False,  # audio does not compress
        "ws_max_size": limits.max_frame_bytes,
        "ws_ping_interval": limits.ping_interval_s,
        "ws_ping_timeout": limits.ping_timeout_s,
        "proxy_headers": bool(settings.server.trusted_proxies),
        "forwarded_allow_ips": list(settings.server.trusted_proxies),
    }


def operator_protocol(token: str) -> type[PacedHTTPProtocol]:
    """Return the HTTP protocol of the Unix socket in the data directory.

    Its connections do not count for the limits, so that operators reach a host that is full, and have no deadline,
    since they stream.

    Args:
        token: what makes a client the operator; see `authorization.is_operator`.
    """

    class OperatorHTTPProtocol(PacedHTTPProtocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            super().connection_made(transport)
            if _is_own_user(transport.get_extra_info("socket")):
                self.app_state = {**self.app_state, OPERATOR_TOKEN: token}

    return OperatorHTTPProtocol


def _is_own_user(connection: socket.socket) -> bool:
    """Whether the process at the other end of a Unix socket runs as the host's user, or as root."""
    if not hasattr(socket, "SO_PEERCRED"):
        return True  # macOS, where the files' permissions decide alone
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    _, uid, _ = struct.unpack("3i", credentials)
    return uid in (0, os.geteuid())


def _call_protocol(table: ConnectionTable) -> type[CallProtocol]:
    class BoundedCallProtocol(CallProtocol):
        def connection_lost(self, exc: Exception | None) -> None:
            if not self.is_handed_over:
                table.close(self.transport)
            super().connection_lost(exc)

        async def run_asgi(self) -> None:
            try:
                await super().run_asgi()
            finally:
                if self.is_handed_over:  # the application has waited for the end of the call
                    table.close(self.transport)

    return BoundedCallProtocol


def _http_protocol(timeout_s: float, table: ConnectionTable) -> type[asyncio.Protocol]:
    """Return uvicorn's HTTP protocol with a deadline for requests and for reading responses, which uvicorn lacks."""

    class DeadlineHTTPProtocol(PacedHTTPProtocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            super().connection_made(transport)
            self._seen: tuple[object, int] = (None, 0)
            self._received_bytes = 0  # since the last check
            self._deadline = self.loop.call_later(timeout_s, self._check_progress)
            if not table.open(transport):
                self.transport.write(NO_ROOM)
                self.transport.close()

        def connection_lost(self, exc: Exception | None) -> None:
            self._deadline.cancel()
            table.close(self.transport)
            super().connection_lost(exc)

        def data_received(self, data: bytes) -> None:
            self._received_bytes += len(data)
            super().data_received(data)

        def handle_events(self) -> None:
            super().handle_events()
            if self._answering():
                table.busy(self.transport)

        def on_response_complete(self) -> None:
            table.idle(self.transport)
            super().on_response_complete()  # starts the next pipelined request

        def handle_websocket_upgrade(self, *event: Any) -> None:
            self._deadline.cancel()  # it would keep the connection in memory until then
            table.busy(self.transport)
            super().handle_websocket_upgrade(*event)

        def send_400_response(self, msg: str) -> None:
            metrics.REQUESTS_REFUSED.labels("400", "unreadable").inc()
            super().send_400_response(msg)

        def _answering(self) -> bool:
            request = self.cycle
            return request is not None and not request.response_complete

        def _check_progress(self) -> None:
            """Close the connection if there was no progress since the last check.

            That is a new request, the body of one, or reading a response. Producing a response may take any time.
            """
            unread = self.transport.get_write_buffer_size()
            seen = (self.cycle, unread)
            computing = self._answering() and not self.cycle.more_body and not unread
            uploading = self._answering() and self._received_bytes >= MIN_BODY_BYTES_PER_S * timeout_s
            self._received_bytes = 0
            if not (computing or uploading) and seen == self._seen:
                metrics.LIMITS_EXCEEDED.labels("", "handshake_timeout_s").inc()
                self.transport.abort()
                return
            self._seen = seen
            self._deadline = self.loop.call_later(timeout_s, self._check_progress)

    return DeadlineHTTPProtocol
