"""Opening and dropping a WebSocket to a speech service."""

from __future__ import annotations

import asyncio
import logging
import ssl
from functools import lru_cache
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidProxy, InvalidStatus, InvalidURI, WebSocketException
from websockets.proxy import get_proxy
from websockets.uri import parse_uri

from voice_host.settings import ResilienceSettings

GIVE_WAY_S = 0.01
"""Until a socket is begun. Nobody hears that, since it is opened ahead; callers who arrive together hear each other's
sockets, of which each call opens two as soon as it was let in."""

CLOSE_TIMEOUT_S = 1.0
"""How long a closing handshake may take before the connection is cut. Nothing of value arrives after a close frame."""

# At DEBUG the library logs request headers, and with them the key. This logger of its own never goes that far.
_quiet = logging.getLogger("voice_host.providers.websocket")
_quiet.setLevel(logging.INFO)

log = logging.getLogger(__name__)


class ConnectFailed(Exception):
    """A service could not be reached, or refused the upgrade.

    Attributes:
        status: the HTTP status of a refused upgrade, or None.
        retryable: False where the address itself is wrong, or the proxy's.
    """

    def __init__(self, reason: str, *, status: int | None = None, retryable: bool = True) -> None:
        super().__init__(reason)
        self.status = status
        self.retryable = retryable


class ServiceSockets:
    """Opens authorised sockets to one service. They share one TLS context, which takes tens of ms to make.

    What the environment says of proxies is read once for an address: it takes half as long as all else of a connection.

    Args:
        authorization: the whole value of the `Authorization` header.
        resilience: `speech_connect_timeout_s` is for DNS, TCP, TLS and the upgrade together. The default of
            `speech_max_message_bytes` is above the 960 kB that 20 s of speech at 24 kHz take in one message, and the
            one of `speech_queued_frames` about 20 s of speech, 1 MB. The library's own 16 frames are too few: a
            connection that is not read answers neither pings nor closing handshakes, and after 10 to 20 s without an
            answer a service cuts it, with the speech that is still under way.
    """

    def __init__(self, authorization: str, resilience: ResilienceSettings) -> None:
        self._authorization = authorization
        self._resilience = resilience
        self._tls: ssl.SSLContext | None = None
        self._proxy_for = lru_cache(maxsize=64)(_proxy_for)

    async def open(self, url: str) -> ClientConnection:
        """Connect to `url`. Whoever asked owns the socket and closes it.

        Raises:
            ConnectFailed: with words that contain neither the key nor the address.
        """
        await asyncio.sleep(GIVE_WAY_S)
        tls: dict[str, Any] = {}
        if url.lower().startswith("wss:"):
            if self._tls is None:
                self._tls = await asyncio.to_thread(ssl.create_default_context)  # reads the certificates from disk
            tls = {"ssl": self._tls}
        try:
            return await connect(
                url,
                additional_headers={"Authorization": self._authorization},
                compression=None,
                open_timeout=self._resilience.speech_connect_timeout_s,
                close_timeout=CLOSE_TIMEOUT_S,
                max_size=self._resilience.speech_max_message_bytes,
                max_queue=self._resilience.speech_queued_frames,
                logger=_quiet,
                proxy=self._proxy_for(url),
                **tls,
            )
        except InvalidStatus as refused:
            status = refused.response.status_code
            raise ConnectFailed(f"the upgrade was answered with HTTP {status}", status=status) from refused
        except InvalidURI as invalid:
            raise ConnectFailed("the address is no WebSocket address", retryable=False) from invalid
        except (InvalidProxy, ImportError) as unusable:  # the library lacks a package for SOCKS proxies
            log.error(
                "speech services are reached through HTTP proxies: set WSS_PROXY to one, or name %s in NO_PROXY",
                parse_uri(url).host,
            )
            raise ConnectFailed("the environment names a proxy that cannot be used", retryable=False) from unusable
        except TimeoutError as slow:
            raise ConnectFailed("connecting took too long") from slow
        except (OSError, WebSocketException) as failed:
            raise ConnectFailed("the connection failed") from failed


def _proxy_for(url: str) -> str | None:
    return get_proxy(parse_uri(url))


def cut(socket: ClientConnection) -> None:
    """Drop the connection without a closing handshake and without waiting."""
    socket.transport.abort()
