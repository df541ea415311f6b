"""The gate: who may come in, and for what."""

from __future__ import annotations

import hashlib
import math
import time
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from types import MappingProxyType
from typing import Any

from voice_host.admission.rates import FailedAttempts
from voice_host.auth.api_keys import PREFIX, SCOPES, Scope, split_key
from voice_host.auth.call_tokens import BadToken, CallToken, CallTokens
from voice_host.auth.credentials import credential_of, secrets_of
from voice_host.auth.key_ring import KeyRing
from voice_host.auth.token_secret import secret_beside
from voice_host.observability.logs import get_logger
from voice_host.settings import AuthSettings, Settings, redact
from voice_host.tenancy import PluginTimeout, isolated, type_of
from voice_host_sdk import Caller
from voice_host_sdk.extensions import Authenticator, Connection, Denied

log = get_logger(__name__)

DEFAULT_TIMEOUT_S = AuthSettings().authenticator_timeout_s

BY_KEY_FILE, BY_TOKEN_SECRET = "keys_file", "token_secret"
"""Who vouches for an API key, and for a call token that was made without one: what the platform has in `[auth]`."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A no. `reason` is for whoever asked.

    Attributes:
        reason: words for the one who is refused.
        tried: whether a key or a token was shown.
        known: whether it was a good one, which is not good for this.
        retry_after_s: set when too many attempts from this address failed: how long it must wait.
        key_id: the id of the key that was shown, good or not, or that made the call token. Not secret.
    """

    reason: str
    tried: bool = True
    known: bool = False
    retry_after_s: int | None = None
    key_id: str | None = None


@dataclass(frozen=True, slots=True)
class Visitor:
    """Somebody who is let in.

    Attributes:
        caller: who it is; None where nobody is asked.
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
        """Tell whether a scope is among theirs."""
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


ANYBODY = Visitor()
"""Who comes in where authentication is off."""


class Gate:
    """Lets in, or refuses.

    Args:
        keys: the API keys; None: there are none.
        tokens: reads call tokens; None: there are none.
        authenticators: those of the extensions, by name. They are asked first, in this order, until one answers.
        timeout_s: how long each of them may take: a caller waits in silence. Beyond it the answer is no.
        failed_attempts: counts the failures of each address; default: any number is allowed.
    """

    def __init__(
        self,
        *,
        keys: KeyRing | None = None,
        tokens: CallTokens | None = None,
        authenticators: Mapping[str, Authenticator] | None = None,
        timeout_s: float = DEFAULT_TIMEOUT_S,
        failed_attempts: FailedAttempts | None = None,
    ) -> None:
        self.keys = keys
        self.tokens = tokens
        self._authenticators = dict(authenticators or {})
        self._timeout_s = timeout_s
        self._failed_attempts = failed_attempts

    @property
    def closed(self) -> bool:
        """Whether anybody is asked who they are. A gate without anything to ask stands open."""
        return bool(self.keys is not None or self.tokens is not None or self._authenticators)

    @property
    def lacks_keys(self) -> bool:
        """Whether API keys are asked for and there is none, by what was read last."""
        return self.keys is not None and not len(self.keys)

    async def admit(self, connection: Connection, *scopes: Scope) -> Visitor | Refusal:
        """Let a connection in that has one of the scopes, and may deal with the agent it is about."""
        visitor = await self.identify(connection)
        if isinstance(visitor, Refusal):
            return visitor
        if not any(visitor.may(scope) for scope in scopes):
            reason = f"this key or token is not for {' or '.join(scopes)}"
            return Refusal(reason, known=True, key_id=key_of(visitor.caller))
        if connection.agent_id is not None and not visitor.may_see(connection.agent_id):
            return Refusal("this key or token is for another agent", known=True, key_id=key_of(visitor.caller))
        return visitor

    async def identify(self, connection: Connection) -> Visitor | Refusal:
        """Find out who is at the door, whatever they want."""
        if not self.closed:
            return ANYBODY
        failed = self._failed_attempts
        if failed is not None and (blocked_s := failed.blocked_s(connection.client_host)):
            # A good key or token passes: others must not be able to lock out those who share an address with them. An
            # authenticator may be slow, and may refuse what is a good key here, so without asking it nobody passes.
            visitor = None if self._authenticators else await self._built_in(connection)
            if isinstance(visitor, Visitor):
                return visitor
            wait_s = math.ceil(blocked_s)
            return Refusal(f"too many failed attempts: try again in {wait_s} s", retry_after_s=wait_s)
        answer = await self._identify(connection)
        if failed is not None and isinstance(answer, Refusal) and answer.tried:
            failed.add(connection.client_host)
        return answer

    async def _identify(self, connection: Connection) -> Visitor | Refusal:
        for name, authenticator in self._authenticators.items():
            answer = await _ask(name, authenticator, connection, self._timeout_s)
            if isinstance(answer, Caller):
                # One extension's "ada" is not another one's.
                return Visitor(replace(answer, issuer=answer.issuer or name), _scopes_of(answer))
            if answer is not None:
                log.info("denied", extension=name, path=connection.path, reason=answer.reason)
                return Refusal("you may not come in here")
        return await self._built_in(connection)

    def redeem(self, visitor: Visitor) -> bool:
        """Use a visitor's token for the call that begins now. False when it is used up."""
        return visitor.token is None or self.tokens is None or self.tokens.redeem(visitor.token)

    async def _built_in(self, connection: Connection) -> Visitor | Refusal:
        credential = credential_of(connection)
        if credential is None:
            return Refusal("a key or a call token is needed", tried=False)
        if credential.startswith(PREFIX):
            return await self._by_key(credential)
        return await self._by_token(credential)

    async def _by_key(self, credential: str) -> Visitor | Refusal:
        key = await self.keys.find(credential) if self.keys is not None else None
        if key is None:
            return Refusal("the key is unknown, revoked or expired", key_id=(split_key(credential) or (None,))[0])
        claims = {"kind": "api_key", "name": key.name, "scopes": key.scopes}
        return Visitor(
            Caller(key.id, MappingProxyType(claims), issuer=BY_KEY_FILE),
            frozenset(key.scopes),
            frozenset(key.agents) if key.agents is not None else None,
            key_id=key.id,
        )

    async def _by_token(self, credential: str) -> Visitor | Refusal:
        if self.tokens is None:
            return Refusal("this is no key of this host")
        try:
            token = self.tokens.read(credential)
        except BadToken as error:
            return Refusal(str(error))
        if token.key_id is not None and self.keys is not None and not await self.keys.is_valid(token.key_id):
            return Refusal("the key that made the call token is revoked or expired", key_id=token.key_id)
        claims = {"kind": "call_token", "id": token.id, "key": token.key_id, "metadata": token.metadata}
        # Each key's holder names visitors as they like: two of them may both have a "customer-17".
        caller = Caller(token.subject, MappingProxyType(claims), issuer=token.key_id or token.maker or BY_TOKEN_SECRET)
        return Visitor(caller, frozenset(("calls",)), frozenset((token.agent_id,)), token)


def build_gate(settings: Settings, authenticators: Mapping[str, Authenticator] | None = None) -> Gate:
    """Return the gate that the settings and the extensions ask for. Reads files, and may make the tokens' secret.

    Raises:
        KeyFileError: the key file, or the secret beside it, cannot be used.
    """
    keys_file, secret = settings.keys_file, settings.auth.token_secret
    keys = KeyRing(keys_file) if keys_file is not None else None
    tokens = None
    if secret is not None:
        tokens = CallTokens(secret.get_secret_value().encode(), max_ttl_s=settings.auth.token_max_ttl_s)
    elif keys_file is not None:
        tokens = CallTokens(secret_beside(keys_file), max_ttl_s=settings.auth.token_max_ttl_s)
    return Gate(
        keys=keys,
        tokens=tokens,
        authenticators=authenticators,
        timeout_s=settings.auth.authenticator_timeout_s,
        failed_attempts=FailedAttempts(settings.limits.max_auth_failures_per_minute, time.monotonic),
    )


async def _ask(
    name: str, authenticator: Authenticator, connection: Connection, timeout_s: float
) -> Caller | Denied | None:
    """Ask an extension. One that fails, dawdles or talks nonsense has said no."""
    try:
        ask = partial(authenticator.authenticate, connection)
        answer = await isolated(ask, name=f"authenticate-{name}", timeout_s=timeout_s)
    except PluginTimeout:
        return Denied(f"no answer within {timeout_s:g} s")
    except Exception as error:  # noqa: BLE001 (the platform's code, and whatever it raises is a no)
        # Its words and its traceback may repeat what it was given.
        story = "".join(traceback.format_exception(error))
        log.error("authenticator_failed", extension=name, traceback=redact(story, secrets_of(connection)))
        return Denied(f"raised {type_of(error)}")
    if answer is None or isinstance(answer, (Caller, Denied)):
        return answer
    log.error("authenticator_failed", extension=name, error=f"returned a {type(answer).__name__}")
    return Denied("returned neither Caller, Denied nor None")


def _scopes_of(caller: Caller) -> frozenset[Scope]:
    """What an extension's caller may do: what its claim `scopes` lists, else make calls."""
    listed = caller.claims.get("scopes")
    if not isinstance(listed, (list, tuple, set, frozenset)):
        return frozenset(("calls",))
    return frozenset(scope for scope in SCOPES if scope in listed)
