"""Authenticates requests by authenticators of extensions, API keys and call tokens."""

from __future__ import annotations

import math
import time
import traceback
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from types import MappingProxyType

from voice_host.admission.rates import FailedAttempts
from voice_host.auth.api_keys import PREFIX, SCOPES, Scope, split_key
from voice_host.auth.call_tokens import BadToken, CallTokens
from voice_host.auth.credentials import credential_of, secrets_of
from voice_host.auth.key_ring import KeyRing
from voice_host.auth.principal import ANYBODY, AuthFailure, Principal, key_of
from voice_host.auth.token_secret import secret_beside
from voice_host.observability.logs import get_logger
from voice_host.settings import AuthSettings, Settings, redact
from voice_host.tenancy import PluginTimeout, isolated, type_of
from voice_host_sdk import Caller
from voice_host_sdk.extensions import Authenticator, Connection, Denied

log = get_logger(__name__)

DEFAULT_TIMEOUT_S = AuthSettings().authenticator_timeout_s

OTHER_AGENT = "this key or token is for another agent"

BY_KEY_FILE, BY_TOKEN_SECRET = "keys_file", "token_secret"
"""The issuer of callers with an API key, or with a call token made without one: the platform's `[auth]` settings."""


class Authentication:
    """Identifies the client of a request, and checks its permissions.

    Args:
        keys: the API keys; None: not used.
        tokens: reads call tokens; None: not used.
        authenticators: those of extensions, by name. They are tried first, in this order, until one decides.
        timeout_s: for each authenticator, since the caller waits in silence. After that the request is refused.
        failed_attempts: counts the failures of each address; default: no limit.
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
    def required(self) -> bool:
        """Whether requests are authenticated. If nothing is configured for that, everybody may do everything."""
        return bool(self.keys is not None or self.tokens is not None or self._authenticators)

    @property
    def lacks_keys(self) -> bool:
        """Whether API keys are required, but the key file had none when it was last read."""
        return self.keys is not None and not len(self.keys)

    async def authorize(self, connection: Connection, *scopes: Scope) -> Principal | AuthFailure:
        """Return the client of a request, if it has one of the scopes and may use the agent of the request."""
        principal = await self.identify(connection)
        if isinstance(principal, AuthFailure):
            return principal
        if not any(principal.may(scope) for scope in scopes):
            reason = f"this key or token is not for {' or '.join(scopes)}"
            return AuthFailure(reason, authenticated=True, key_id=key_of(principal.caller))
        if connection.agent_id is not None and not principal.may_see(connection.agent_id):
            return AuthFailure(OTHER_AGENT, authenticated=True, key_id=key_of(principal.caller))
        return principal

    async def identify(self, connection: Connection) -> Principal | AuthFailure:
        """Return the client of a request, without checking its permissions."""
        if not self.required:
            return ANYBODY
        failed = self._failed_attempts
        if failed is not None and (blocked_s := failed.blocked_s(connection.client_host)):
            # A valid key or token passes even so, or others could lock out clients that share their address. Not with
            # authenticators, which may be slow, and may refuse a key that is valid here.
            principal = None if self._authenticators else await self._built_in(connection)
            if isinstance(principal, Principal):
                return principal
            wait_s = math.ceil(blocked_s)
            return AuthFailure(f"too many failed attempts: try again in {wait_s} s", retry_after_s=wait_s)
        answer = await self._identify(connection)
        if failed is not None and isinstance(answer, AuthFailure) and answer.credential_given:
            failed.add(connection.client_host)
        return answer

    async def _identify(self, connection: Connection) -> Principal | AuthFailure:
        for name, authenticator in self._authenticators.items():
            answer = await _ask(name, authenticator, connection, self._timeout_s)
            if isinstance(answer, Caller):
                # The same identity from two extensions means two callers.
                return Principal(replace(answer, issuer=answer.issuer or name), _scopes_of(answer))
            if answer is not None:
                log.info("denied", extension=name, path=connection.path, reason=answer.reason)
                return AuthFailure("access denied")
        return await self._built_in(connection)

    def redeem(self, principal: Principal) -> bool:
        """Use up a principal's single-use token for the call that begins now. Returns False if it was used before."""
        return principal.token is None or self.tokens is None or self.tokens.redeem(principal.token)

    async def _built_in(self, connection: Connection) -> Principal | AuthFailure:
        credential = credential_of(connection)
        if credential is None:
            return AuthFailure("a key or a call token is needed", credential_given=False)
        if credential.startswith(PREFIX):
            return await self._by_key(credential)
        return await self._by_token(credential)

    async def _by_key(self, credential: str) -> Principal | AuthFailure:
        key = await self.keys.find(credential) if self.keys is not None else None
        if key is None:
            return AuthFailure("the key is unknown, revoked or expired", key_id=(split_key(credential) or (None,))[0])
        claims = {"kind": "api_key", "name": key.name, "scopes": key.scopes}
        return Principal(
            Caller(key.id, MappingProxyType(claims), issuer=BY_KEY_FILE),
            frozenset(key.scopes),
            frozenset(key.agents) if key.agents is not None else None,
            key_id=key.id,
        )

    async def _by_token(self, credential: str) -> Principal | AuthFailure:
        if self.tokens is None:
            return AuthFailure("this is not a key of this host")
        try:
            token = self.tokens.read(credential)
        except BadToken as error:
            return AuthFailure(str(error))
        if token.key_id is not None and self.keys is not None and not await self.keys.is_valid(token.key_id):
            return AuthFailure("the key that made the call token is revoked or expired", key_id=token.key_id)
        claims = {"kind": "call_token", "id": token.id, "key": token.key_id, "metadata": token.metadata}
        # Holders of keys choose the names of callers: two of them may both have a "customer-17".
        caller = Caller(token.subject, MappingProxyType(claims), issuer=token.key_id or token.maker or BY_TOKEN_SECRET)
        return Principal(caller, frozenset(("calls",)), frozenset((token.agent_id,)), token)


def build_authentication(
    settings: Settings, authenticators: Mapping[str, Authenticator] | None = None
) -> Authentication:
    """Return the authentication configured by settings and extensions. Reads files, and may create the token secret.

    Raises:
        KeyFileError: the key file or the token secret beside it cannot be used.
    """
    keys_file, secret = settings.keys_file, settings.auth.token_secret
    keys = KeyRing(keys_file) if keys_file is not None else None
    tokens = None
    if secret is not None:
        tokens = CallTokens(secret.get_secret_value().encode(), max_ttl_s=settings.auth.token_max_ttl_s)
    elif keys_file is not None:
        tokens = CallTokens(secret_beside(keys_file), max_ttl_s=settings.auth.token_max_ttl_s)
    return Authentication(
        keys=keys,
        tokens=tokens,
        authenticators=authenticators,
        timeout_s=settings.auth.authenticator_timeout_s,
        failed_attempts=FailedAttempts(settings.limits.max_auth_failures_per_minute, time.monotonic),
    )


async def _ask(
    name: str, authenticator: Authenticator, connection: Connection, timeout_s: float
) -> Caller | Denied | None:
    """Ask an authenticator. If it fails, takes too long or returns something else, access is denied."""
    try:
        ask = partial(authenticator.authenticate, connection)
        answer = await isolated(ask, name=f"authenticate-{name}", timeout_s=timeout_s)
    except PluginTimeout:
        return Denied(f"no answer within {timeout_s:g} s")
    except Exception as error:  # noqa: BLE001 (the platform's code: whatever it raises is a refusal)
        # Its message and traceback may contain credentials.
        story = "".join(traceback.format_exception(error))
        log.error("authenticator_failed", extension=name, traceback=redact(story, secrets_of(connection)))
        return Denied(f"raised {type_of(error)}")
    if answer is None or isinstance(answer, (Caller, Denied)):
        return answer
    log.error("authenticator_failed", extension=name, error=f"returned a {type(answer).__name__}")
    return Denied("returned neither Caller, Denied nor None")


def _scopes_of(caller: Caller) -> frozenset[Scope]:
    """Return the scopes of a caller from an extension: those in its claim `scopes`; by default, making calls."""
    listed = caller.claims.get("scopes")
    if not isinstance(listed, (list, tuple, set, frozenset)):
        return frozenset(("calls",))
    return frozenset(scope for scope in SCOPES if scope in listed)
