"""API keys, `vh_<id>_<secret>`, for servers that make calls, mint call tokens, read metrics or deploy agents."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from voice_host.settings.field_types import AgentId

Scope = Literal["calls", "tokens", "metrics", "deploy", "logs", "dial", "admin"]
SCOPES: tuple[Scope, ...] = ("calls", "tokens", "metrics", "deploy", "logs", "dial", "admin")
"""The scopes of a key: making calls, minting call tokens, reading the host's status and metrics, changing which
releases of agents run, reading the agents' logs, making telephone calls, and `admin`, which is all of
them for all agents."""

OPEN_SCOPES: tuple[Scope, ...] = ("calls", "tokens", "metrics")
"""What every client may do if authentication is off. The other scopes always need a key: deploying is running code, and
telephone calls cost money."""

DEFAULT_SCOPES: tuple[Scope, ...] = ("calls", "tokens")

PREFIX = "vh_"
"""Lets people and scanners for leaked secrets recognise a key."""

SECRET_BYTES = 32
"""256 random bits cannot be guessed, so a fast hash at rest is as good as a slow one."""

_KEY = re.compile(rf"{PREFIX}(?P<id>[a-z0-9]{{12}})_(?P<secret>[A-Za-z0-9_-]{{43}})")
_ID_ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789"


def _printable(text: str) -> str:
    if not text.isprintable() or text != text.strip():
        raise ValueError("must be printable text without spaces around it")
    return text


class ApiKey(BaseModel):
    """A key as it is stored: with the SHA-256 of its secret, not the secret."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: Annotated[str, Field(pattern=r"^[a-z0-9]{12}$")]
    name: Annotated[str, Field(min_length=1, max_length=100), AfterValidator(_printable)]
    created: AwareDatetime
    expires: AwareDatetime | None = None
    agents: tuple[AgentId, ...] | None = Field(default=None, description="The agents it may be used for; None: all.")
    scopes: tuple[Scope, ...] = DEFAULT_SCOPES
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$", repr=False)]

    @model_validator(mode="after")
    def _admin_is_for_all_agents(self) -> Self:
        if "admin" in self.scopes and self.agents is not None:
            raise ValueError("the scope admin is for all agents, so the key cannot be limited to some")
        return self

    def expired(self, now: datetime) -> bool:
        """Whether the key has expired."""
        return self.expires is not None and now >= self.expires


def new_key(
    name: str,
    *,
    now: datetime,
    expires_in: timedelta | None = None,
    agents: Iterable[str] | None = None,
    scopes: Iterable[Scope] = DEFAULT_SCOPES,
) -> tuple[ApiKey, str]:
    """Return a new key as it is stored, and its text, which is shown only once.

    Args:
        name: its purpose, for display.
        now: the time of creation.
        expires_in: its lifetime; None: until it is revoked.
        agents: the ids of the agents it may be used for; None: all.
        scopes: what it may be used for.

    Raises:
        pydantic.ValidationError: the name is too long, an agent id is invalid, or a scope unknown.
    """
    secret = secrets.token_urlsafe(SECRET_BYTES)
    key = ApiKey(
        id="".join(secrets.choice(_ID_ALPHABET) for _ in range(12)),
        name=name,
        created=now.astimezone(UTC).replace(microsecond=0),
        expires=(now + expires_in).astimezone(UTC).replace(microsecond=0) if expires_in else None,
        agents=tuple(agents) if agents is not None else None,
        scopes=tuple(scope for scope in SCOPES if scope in set(scopes)),
        sha256=_hash(secret),
    )
    return key, f"{PREFIX}{key.id}_{secret}"


def split_key(text: str) -> tuple[str, str] | None:
    """Return the id and the secret of a text in the format of an API key; otherwise None."""
    match = _KEY.fullmatch(text)
    return (match["id"], match["secret"]) if match else None


def matches(key: ApiKey | None, secret: str) -> bool:
    """Whether `secret` is that of `key`, compared in constant time.

    Args:
        key: the stored key; None: the id is unknown, which takes as long.
        secret: what the caller sent.
    """
    kept = key.sha256 if key else "0" * 64
    return secrets.compare_digest(kept, _hash(secret)) and key is not None


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
