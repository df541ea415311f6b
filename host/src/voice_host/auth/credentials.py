"""Finds the credentials in a connection, and the texts to keep out of logs."""

from __future__ import annotations

from collections.abc import Iterator

from voice_host_sdk.extensions import Connection

TOKEN_SUBPROTOCOL = "voice-host.token."
"""Prefix of a token offered as a subprotocol, since browsers cannot set headers for a WebSocket. Never echoed."""

TOKEN_PARAMETER = "token"


def credential_of(connection: Connection) -> str | None:
    """Return the key or token: from the `Authorization` header, else from the subprotocols, else from the query."""
    return next(_credentials(connection), None)


def secrets_of(connection: Connection) -> list[str]:
    """Return every text of a connection that may be a secret, to be kept out of logs."""
    whole = [connection.headers.get("authorization", ""), connection.headers.get("cookie", "")]
    return [text for text in (*_credentials(connection), *whole) if text]


def _credentials(connection: Connection) -> Iterator[str]:
    scheme, _, credential = connection.headers.get("authorization", "").strip().partition(" ")
    offered = (name for name in connection.subprotocols if name.startswith(TOKEN_SUBPROTOCOL))
    found = [
        credential if scheme.lower() == "bearer" else "",
        *(name.removeprefix(TOKEN_SUBPROTOCOL) for name in offered),
        connection.query.get(TOKEN_PARAMETER, ""),
    ]
    for text in found:
        if text.strip():  # one copied from a terminal may end with a line break
            yield text.strip()
