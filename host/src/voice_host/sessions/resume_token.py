"""Resume tokens: what a caller shows to go on with a conversation whose connection was lost."""

from __future__ import annotations

import hashlib
import hmac
import secrets

TOKEN_BYTES = 32
"""Of chance in a token: 256 bit, so that guessing is out of the question."""


class ResumeKey:
    """The one token that opens a session at present. Holds its digest only, so that no dump of memory is a key.

    Args:
        digest: as `digest` returned it; None: no token opens the session.
    """

    def __init__(self, digest: str | None = None) -> None:
        self._digest = None if digest is None else bytes.fromhex(digest)

    @property
    def digest(self) -> str | None:
        """The SHA-256 of the token, hexadecimal; None: no token opens the session."""
        return None if self._digest is None else self._digest.hex()

    def rotate(self, session_id: str) -> str:
        """Return a new token; the one before opens nothing any more."""
        token = f"{session_id}.{secrets.token_urlsafe(TOKEN_BYTES)}"
        self._digest = _digest(token)
        return token

    def revoke(self) -> None:
        """From now on no token opens the session."""
        self._digest = None

    def fits(self, token: str) -> bool:
        """Tell whether this is the token, in a time that does not depend on it."""
        return self._digest is not None and hmac.compare_digest(self._digest, _digest(token))


def session_of(token: str) -> str:
    """Return the id of the session that a token claims to open; empty when it is no token."""
    return token.rpartition(".")[0]


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode(errors="replace")).digest()
