"""Finds the credentials in a connection, and the texts to keep out of logs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from voice_host_sdk.extensions import Connection

TOKEN_SUBPROTOCOL = "voice-host.token."
"""Prefix of a token offered as a subprotocol, since browsers cannot set headers for a WebSocket. Never echoed."""

OPENAI_SUBPROTOCOL = "openai-insecure-api-key."
"""The same, as clients of the OpenAI Realtime API send it."""

TOKEN_PARAMETER = "token"


def credential_of(connection: Connection) -> str | None:
    """Return the key or token: from the `Authorization` header, else from the subprotocols, else from the query."""
    return next(_credentials(connection), None)


def secrets_of(connection: Connection) -> list[str]:
    """Return every text of a connection that may be a secret, to be kept out of logs."""
    whole = [connection.headers.get("authorization", ""), connection.headers.get("cookie", "")]
    return [text for text in (*_credentials(connection), *whole) if text]


def offered_tokens(subprotocols: Iterable[str]) -> list[str]:
    """Return the keys and tokens among the subprotocols that a client offers."""
    return [
        name.removeprefix(prefix)
        for name in subprotocols
        for prefix in (TOKEN_SUBPROTOCOL, OPENAI_SUBPROTOCOL)
        if name.startswith(prefix)
    ]


def _credentials(connection: Connection) -> Iterator[str]:
    scheme, _, credential = connection.headers.get("authorization", "").strip().partition(" ")
    found = [
        credential if scheme.lower() == "bearer" else "",
        *offered_tokens(connection.subprotocols),
        connection.query.get(TOKEN_PARAMETER, ""),
    ]
    for text in found:
        if text.strip():  # one copied from a terminal may end with a line break
            yield text.strip()
