"""WebSocket connections to speech services."""

from __future__ import annotations

import asyncio
import logging
import ssl
from functools import lru_cache
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidProxy, InvalidStatus, InvalidURI, WebSocketException
from websockets.frames import CloseCode
from websockets.protocol import Event, State
from websockets.proxy import get_proxy
from websockets.uri import parse_uri

from voice_host.admission.rates import TokenBucket
from voice_host.settings import ResilienceSettings

MAX_MESSAGE_BYTES = 8 * 2**20
"""Largest message of a speech service; a larger one ends the connection. 20 s of speech at 24 kHz take 960 kB."""

QUEUED_FRAMES = 256
"""Frames of a speech service that are queued, about 20 s of speech or 1 MB; beyond that, reading pauses. The library's
default of 16 is too low: while reading is paused, pings and closing handshakes are not answered, and after 10 to 20 s a
service closes the connection, with the speech that is still in flight."""

GIVE_WAY_S = 0.01
"""Delay before a socket is opened, so that other calls run first. It is not audible, since sockets are opened ahead;
without it, callers who arrive together wait for each other's sockets, of which each call opens two."""

CLOSE_TIMEOUT_S = 1.0
"""How long a closing handshake may take before the connection is aborted. Nothing useful follows a close frame."""

MESSAGES_PER_TURN = 64
"""Messages of one service that are parsed in one iteration of the event loop: about 1 ms."""

SLICE_BYTES = 1024
"""Bytes of a large read that are parsed between two counts of messages. A smaller read is parsed at once."""

MESSAGES_PER_S = 2000.0
MESSAGES_BURST = 20_000
"""Far more than needed: a voice that sends 20 s of speech at once, in frames of 20 ms, sends 1,000 messages."""

# At DEBUG the library logs request headers, which contain the key, so this logger is limited to INFO.
_quiet = logging.getLogger("voice_host.speech.websocket")
_quiet.setLevel(logging.INFO)

log = logging.getLogger(__name__)


class ConnectFailed(Exception):
    """A service could not be reached, or refused the upgrade.

    Attributes:
        status: the HTTP status of a refused upgrade, or None.
        retryable: False if the address or the proxy is wrong.
    """

    def __init__(self, reason: str, *, status: int | None = None, retryable: bool = True) -> None:
        super().__init__(reason)
        self.status = status
        self.retryable = retryable


class ServiceConnection(ClientConnection):
    """A connection whose peer cannot block the event loop: a service that floods it is disconnected."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._unparsed = bytearray()
        self._parsing_later: asyncio.Handle | None = None
        self._messages = TokenBucket(MESSAGES_PER_S, MESSAGES_BURST, self.loop.time)
        self._parsed = 0

    async def send_all(self, *messages: str | bytes) -> None:
        """Send messages in one write, as text or binary, without the context manager that `send()` uses for each.

        Raises:
            ConnectionClosed: the connection is closed or closing.
        """
        if self.protocol.state is not State.OPEN or self.send_in_progress is not None:
            for message in messages:
                await self.send(message)  # waits, and raises the right error
            return
        for message in messages:
            if isinstance(message, str):
                self.protocol.send_text(message.encode())
            else:
                self.protocol.send_binary(message)
        self.transport.write(b"".join(self.protocol.data_to_send()))
        if self.paused:
            await self.drain()

    def data_received(self, data: bytes) -> None:
        """Parse data, or as much as one iteration of the loop allows; reading pauses until the rest is parsed."""
        self._parsed = 0
        if self._parsing_later is not None:
            self._unparsed += data
            self.transport.pause_reading()
        elif len(data) <= SLICE_BYTES:
            super().data_received(data)
            self._count()
        else:
            self._unparsed += data
            self._parse()

    def _parse(self) -> None:
        """Parse until everything is parsed or the iteration's share is used up."""
        was_paused, self._parsing_later, self._parsed = self._parsing_later is not None, None, 0
        data, fed = bytes(self._unparsed), 0
        while fed < len(data) and self._parsed < MESSAGES_PER_TURN:
            super().data_received(data[fed : fed + SLICE_BYTES])
            fed += SLICE_BYTES
        del self._unparsed[:fed]
        self._count()
        if self.transport.is_closing():
            self._unparsed.clear()
        elif self._unparsed:
            self.transport.pause_reading()
            self._parsing_later = self.loop.call_soon(self._parse)
        elif was_paused and not self.recv_messages.paused:
            self.transport.resume_reading()

    def _count(self) -> None:
        if self._messages.take(self._parsed) or self.transport.is_closing():
            return
        log.error("a speech service sent more than %d messages a second and was cut off", MESSAGES_PER_S)
        self.protocol.fail(CloseCode.POLICY_VIOLATION, "too many messages")
        self.transport.abort()

    def process_event(self, event: Event) -> None:
        self._parsed += 1
        super().process_event(event)

    def eof_received(self) -> None:
        if self._unparsed:  # received before the end; at most one read
            data, self._unparsed = bytes(self._unparsed), bytearray()
            super().data_received(data)
        super().eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._parsing_later is not None:
            self._parsing_later.cancel()
        super().connection_lost(exc)


class ServiceSockets:
    """Opens authorised sockets to one service. They share one TLS context, which takes tens of ms to create.

    The environment's proxy for an address is looked up only once, since that takes half as long as connecting.

    Args:
        authorization: the value of the `Authorization` header.
        resilience: `speech_connect_timeout_s` is for DNS, TCP, TLS and the upgrade together.
    """

    def __init__(self, authorization: str, resilience: ResilienceSettings) -> None:
        self._authorization = authorization
        self._resilience = resilience
        self._tls: ssl.SSLContext | None = None
        self._proxy_for = lru_cache(maxsize=64)(_proxy_for)

    async def open(self, url: str) -> ServiceConnection:
        """Connect to `url`. The caller owns the socket and closes it.

        Raises:
            ConnectFailed: the message contains neither the key nor the address.
        """
        await asyncio.sleep(GIVE_WAY_S)
        tls: dict[str, Any] = {}
        if url.lower().startswith("wss:"):
            if self._tls is None:
                self._tls = await asyncio.to_thread(ssl.create_default_context)  # reads the certificates from disk
            tls = {"ssl": self._tls}
        try:
            connection = await connect(
                url,
                additional_headers={"Authorization": self._authorization},
                compression=None,
                create_connection=ServiceConnection,
                open_timeout=self._resilience.speech_connect_timeout_s,
                close_timeout=CLOSE_TIMEOUT_S,
                max_size=MAX_MESSAGE_BYTES,
                max_queue=QUEUED_FRAMES,
                logger=_quiet,
                proxy=self._proxy_for(url),
                **tls,
            )
        except InvalidStatus as refused:
            status = refused.response.status_code
            raise ConnectFailed(f"the upgrade was answered with HTTP {status}", status=status) from refused
        except InvalidURI as invalid:
            raise ConnectFailed("the address is not a WebSocket address", retryable=False) from invalid
        except (InvalidProxy, ImportError) as unusable:  # SOCKS needs another package
            log.error(
                "speech services are reached through HTTP proxies: set WSS_PROXY to one, or name %s in NO_PROXY",
                parse_uri(url).host,
            )
            raise ConnectFailed("the environment names a proxy that cannot be used", retryable=False) from unusable
        except TimeoutError as slow:
            raise ConnectFailed("connecting took too long") from slow
        except (OSError, WebSocketException) as failed:
            raise ConnectFailed("the connection failed") from failed
        assert isinstance(connection, ServiceConnection)
        return connection


def _proxy_for(url: str) -> str | None:
    return get_proxy(parse_uri(url))


def cut(socket: ClientConnection) -> None:
    """Abort the connection, without a closing handshake and without waiting."""
    socket.transport.abort()
