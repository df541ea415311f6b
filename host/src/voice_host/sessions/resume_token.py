"""Resume tokens, with which a caller continues a session after a lost connection."""

from __future__ import annotations

import hashlib
import hmac
import secrets

from voice_host_sdk import Caller

TOKEN_BYTES = 32
"""Random bytes in a token; 256 bits cannot be guessed."""


def new_session_id() -> str:
    """Return an id that no session has had, and that nobody can guess."""
    return secrets.token_urlsafe(16)


class ResumeKey:
    """The valid resume token of a session. Only its digest is stored.

    Args:
        digest: hexadecimal, of a token that is valid already; None: there is none.
    """

    def __init__(self, digest: str | None = None) -> None:
        self._digest = None if digest is None else bytes.fromhex(digest)

    @property
    def digest(self) -> str | None:
        """The SHA-256 of the valid token, hexadecimal; None: no token is valid."""
        return None if self._digest is None else self._digest.hex()

    def rotate(self, session_id: str) -> str:
        """Return a new token, which replaces the old one."""
        token = f"{session_id}.{secrets.token_urlsafe(TOKEN_BYTES)}"
        self._digest = _digest(token)
        return token

    def revoke(self) -> None:
        """Make the token invalid."""
        self._digest = None

    def matches(self, token: str) -> bool:
        """Whether this is the valid token, compared in constant time."""
        return self._digest is not None and hmac.compare_digest(self._digest, _digest(token))


def session_of(token: str) -> str:
    """Return the session id in a token; empty if it is not a token."""
    return token.rpartition(".")[0]


def is_caller(owner: Caller | None, caller: Caller | None) -> bool:
    """Whether `caller` is the one that a session belongs to. Without authentication, all are the same."""
    if owner is None or caller is None:
        return owner is caller
    return (owner.issuer, owner.identity) == (caller.issuer, caller.identity)


def digest_of(token: str) -> str:
    """Return the SHA-256 of a token, hexadecimal."""
    return _digest(token).hex()


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode(errors="replace")).digest()
