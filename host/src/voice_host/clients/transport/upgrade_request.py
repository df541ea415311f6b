"""The head of a WebSocket upgrade request, as another process gets it: without credentials."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import unquote_plus

from voice_host.auth.credentials import TOKEN_PARAMETER
from voice_host.clients.choice import SUBPROTOCOLS

_SUBPROTOCOLS = b"sec-websocket-protocol"

_KEPT = frozenset(
    {b"host", b"upgrade", b"connection", b"sec-websocket-key", b"sec-websocket-version", b"sec-websocket-extensions"}
)
"""The headers that the handshake needs. Any other may be a credential: `Authorization`, cookies, or a header that an
extension's authenticator reads."""


def upgrade_request(scope: Mapping[str, Any]) -> bytes:
    """Return the head of the request of an ASGI WebSocket scope, without credentials.

    The parameter `resume` stays: it names the session that goes on.
    """
    query = _without_token(scope["query_string"])
    target = scope["raw_path"] + (b"?" + query if query else b"")
    lines = [b"GET " + target + b" HTTP/1.1", *_header_lines(scope["headers"])]
    return b"\r\n".join(lines) + b"\r\n\r\n"


def _without_token(query: bytes) -> bytes:
    return b"&".join(part for part in query.split(b"&") if _name(part) != TOKEN_PARAMETER)


def _name(parameter: bytes) -> str:
    return unquote_plus(parameter.partition(b"=")[0].decode("latin-1"))


def _header_lines(headers: Iterable[tuple[bytes, bytes]]) -> Iterator[bytes]:
    for name, value in headers:
        if name.lower() == _SUBPROTOCOLS:
            offered = [each.strip() for each in value.split(b",")]
            value = b", ".join(each for each in offered if each.decode("latin-1") in SUBPROTOCOLS)
            if value:
                yield name + b": " + value
        elif name.lower() in _KEPT:
            yield name + b": " + value
