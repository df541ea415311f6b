"""The client of a request and its permissions."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from voice_host.auth.api_keys import OPEN_SCOPES, Scope
from voice_host.auth.call_tokens import CallToken
from voice_host_sdk import Caller


@dataclass(frozen=True, slots=True)
class Principal:
    """An authenticated client, or any client if authentication is off.

    Attributes:
        caller: who it is; None if authentication is off.
        scopes: what it may do.
        agents: the agents it may use; None: all.
        token: the call token it presented.
        key_id: the id of the API key it presented.
    """

    caller: Caller | None = None
    scopes: frozenset[Scope] = frozenset(OPEN_SCOPES)
    agents: frozenset[str] | None = None
    token: CallToken | None = field(default=None, repr=False)
    key_id: str | None = None

    def may(self, scope: Scope) -> bool:
        """Whether the client has a scope."""
        return scope in self.scopes or "admin" in self.scopes

    def may_see(self, agent_id: str) -> bool:
        """Whether the client may use an agent."""
        return self.agents is None or agent_id in self.agents

    def may_call(self, agent_id: str, target: str | None) -> bool:
        """Whether the client may call a release of an agent, given its alias or name; None: production.

        A key for an agent is for all of its releases. A call token is for the one address that it was made for, so that
        a caller cannot choose another release than the one the platform meant.
        """
        if self.token is not None:
            return (self.token.agent_id, self.token.target) == (agent_id, target)
        return self.may_see(agent_id)

    @property
    def mark(self) -> str | None:
        """Identifies the maker of call tokens made without a key. Readable in the token, so not a secret."""
        if self.caller is None or self.key_id is not None:
            return None
        who = f"{self.caller.issuer}\0{self.caller.identity}"
        return hashlib.sha256(who.encode(errors="backslashreplace")).hexdigest()[:24]

    @property
    def metadata(self) -> Mapping[str, Any]:
        """The metadata in the call token, from the platform's server."""
        return self.token.metadata if self.token else MappingProxyType({})


ANYBODY = Principal()
"""Any client, if authentication is off."""

OPERATOR = Principal(scopes=frozenset({"admin"}))
"""Who may use the host's Unix socket: the system user that runs the host, and root."""


@dataclass(frozen=True, slots=True)
class AuthFailure:
    """Why a request is refused.

    Attributes:
        reason: sent to the client.
        credential_given: whether there was a key or a token.
        authenticated: whether it was valid, but lacks the permission.
        retry_after_s: how long to wait, if too many attempts from this address failed.
        key_id: the id of the key that was given, valid or not, or that made the call token. Not secret.
    """

    reason: str
    credential_given: bool = True
    authenticated: bool = False
    retry_after_s: int | None = None
    key_id: str | None = None


def key_of(caller: Caller | None) -> str | None:
    """Return the id of a caller's API key, or of the key that made the call token or dialled the caller's number."""
    if caller is None:
        return None
    match caller.claims.get("kind"):
        case "api_key":
            return caller.identity
        case "call_token" | "dialled":
            return caller.claims.get("key")
    return None
