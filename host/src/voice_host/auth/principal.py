"""Who makes a request, and what they may do."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from voice_host.auth.api_keys import SCOPES, Scope
from voice_host.auth.call_tokens import CallToken
from voice_host_sdk import Caller


@dataclass(frozen=True, slots=True)
class Principal:
    """An authenticated client, or anybody where nobody is authenticated.

    Attributes:
        caller: who it is; None where nobody is authenticated.
        scopes: what they may do.
        agents: the agents they may do it with; None: all.
        token: the call token they came with.
        key_id: the id of the API key they came with.
    """

    caller: Caller | None = None
    scopes: frozenset[Scope] = frozenset(SCOPES)
    agents: frozenset[str] | None = None
    token: CallToken | None = field(default=None, repr=False)
    key_id: str | None = None

    def may(self, scope: Scope) -> bool:
        """Tell whether they have a scope."""
        return scope in self.scopes

    def may_see(self, agent_id: str) -> bool:
        """Tell whether an agent is among theirs."""
        return self.agents is None or agent_id in self.agents

    @property
    def mark(self) -> str | None:
        """What tells their call tokens from those of others who have no key. Whoever has a token can read it."""
        if self.caller is None or self.key_id is not None:
            return None
        who = f"{self.caller.issuer}\0{self.caller.identity}"
        return hashlib.sha256(who.encode(errors="backslashreplace")).hexdigest()[:24]

    @property
    def metadata(self) -> Mapping[str, Any]:
        """What the platform's server had written into the call token."""
        return self.token.metadata if self.token else MappingProxyType({})


ANYBODY = Principal()
"""Whoever makes a request where nobody is authenticated."""


@dataclass(frozen=True, slots=True)
class AuthFailure:
    """Why a request is refused.

    Attributes:
        reason: for the client.
        credential_given: whether there was a key or a token.
        authenticated: whether it was valid, but does not allow this.
        retry_after_s: set when too many attempts from this address failed: how long it must wait.
        key_id: the id of the key that was given, valid or not, or that made the call token. Not secret.
    """

    reason: str
    credential_given: bool = True
    authenticated: bool = False
    retry_after_s: int | None = None
    key_id: str | None = None


def key_of(caller: Caller | None) -> str | None:
    """Return the id of the API key that a caller came with, or that made their call token."""
    if caller is None:
        return None
    match caller.claims.get("kind"):
        case "api_key":
            return caller.identity
        case "call_token":
            return caller.claims.get("key")
    return None
