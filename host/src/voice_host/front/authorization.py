"""Authentication of HTTP requests, and the responses if it fails."""

from __future__ import annotations

import secrets
from types import MappingProxyType

from fastapi import HTTPException
from starlette.requests import HTTPConnection

from voice_host.auth.api_keys import Scope
from voice_host.auth.authentication import OTHER_AGENT, Authentication
from voice_host.auth.credentials import credential_of
from voice_host.auth.origins import origin_allowed
from voice_host.auth.principal import OPERATOR, AuthFailure, Principal, key_of
from voice_host.observability import metrics
from voice_host.observability.logs import get_logger
from voice_host_sdk.extensions import Connection

log = get_logger(__name__)

REALM = 'Bearer realm="voice-host"'

OPERATOR_TOKEN = "voice_host.operator_token"
"""Entry of the ASGI scope's `state` for connections over the host's Unix socket: the token that makes a client the
operator. See `front.operator_socket`."""

NO_KEYS = (
    "this needs an API key with the scope {scope}, and this host has no key file: set [auth] keys_file, restart it and "
    "run `voice-host keys create NAME --scopes {scope}`; on the host's machine, commands without --url need no key"
)


def connection_of(request: HTTPConnection, agent_id: str | None = None) -> Connection:
    """Return the parts of a request, or of a WebSocket upgrade, that authenticators get."""
    return Connection(
        agent_id=agent_id,
        path=request.scope["path"],
        query=MappingProxyType(dict(request.query_params)),
        headers=MappingProxyType({name.lower(): value for name, value in request.headers.items()}),
        client_host=request.client.host if request.client else None,
        subprotocols=tuple(request.scope.get("subprotocols", ())),
    )


def origin_of(request: HTTPConnection, who: Principal | AuthFailure | None = None) -> dict[str, str]:
    """Return log fields for the origin of a request: the client's address and the key's id."""
    key_id = key_of(who.caller) if isinstance(who, Principal) else who.key_id if who is not None else None
    found = {"client": request.client.host if request.client else None, "key_id": key_id}
    return {name: value for name, value in found.items() if value}


def report_refused_request(
    request: HTTPConnection, status: int, kind: str, reason: str, who: AuthFailure | None = None
) -> None:
    """Count a refused request or upgrade by `kind`, and log it with the reason."""
    metrics.REQUESTS_REFUSED.labels(str(status), kind).inc()
    log.info("request_refused", path=request.scope["path"], status=status, reason=reason, **origin_of(request, who))


def is_operator(request: HTTPConnection) -> bool:
    """Whether a request came over the host's Unix socket, with the token that lies beside it."""
    expected: str | None = request.scope.get("state", {}).get(OPERATOR_TOKEN)
    given = credential_of(connection_of(request))
    return expected is not None and given is not None and secrets.compare_digest(expected.encode(), given.encode())


def from_another_site(request: HTTPConnection) -> bool:
    """Whether a browser sent the request for a page of another site.

    Browsers send no `Origin` with a simple GET, such as that of an image, but `Sec-Fetch-Site` with every request.
    """
    headers = request.headers
    own = origin_allowed(headers.get("origin"), headers.get("host", ""))
    return not own or headers.get("sec-fetch-site", "none") not in ("none", "same-origin")


class Authorization:
    """Authenticates HTTP requests for their routes."""

    def __init__(self, authentication: Authentication) -> None:
        self.authentication = authentication

    async def require(self, request: HTTPConnection, *scopes: Scope, agent_id: str | None = None) -> Principal:
        """Return the client of a request, which must have one of the scopes.

        Raises:
            HTTPException: 401 without a valid key or token, 403 without the permission, 429 after too many failed
                attempts.
        """
        if is_operator(request):
            return OPERATOR
        found = await self.authentication.authorize(connection_of(request, agent_id), *scopes)
        if isinstance(found, Principal):
            return found
        raise self._refused(request, found, scopes)

    async def operator(self, request: HTTPConnection, scope: Scope, *, agent_id: str | None = None) -> Principal:
        """Return the client of a request that needs a key even if authentication is off, or the host's Unix socket.

        Args:
            scope: `deploy` or `logs`.
            agent_id: the agent that the request is about; None: several, or it is not known yet. Then check
                `Principal.may_see`, or call `require_agent`, before anything is shown or done.

        Raises:
            HTTPException: as for `require`; also 401 if this host has no keys, and 403 for pages of other sites.
        """
        if from_another_site(request):
            reason = "pages of other sites may not use this"
            report_refused_request(request, 403, "origin", reason)
            raise HTTPException(403, reason)
        if not self.authentication.required and not is_operator(request):
            raise self._refused(request, AuthFailure(NO_KEYS.format(scope=scope), credential_given=False), (scope,))
        return await self.require(request, scope, agent_id=agent_id)

    def require_agent(self, request: HTTPConnection, principal: Principal, scope: Scope, agent_id: str) -> None:
        """Check that a client may use an agent whose id became known after `operator`.

        Raises:
            HTTPException: 403.
        """
        if not principal.may_see(agent_id):
            found = AuthFailure(OTHER_AGENT, authenticated=True, key_id=key_of(principal.caller))
            raise self._refused(request, found, (scope,))

    def _refused(self, request: HTTPConnection, found: AuthFailure, scopes: tuple[Scope, ...]) -> HTTPException:
        refusal = _response_to(found, scopes)
        kind = "scope" if found.authenticated else "credential"
        if found.retry_after_s is not None:
            kind = "attempts"
            metrics.LIMITS_EXCEEDED.labels("", "max_auth_failures_per_minute").inc()
        report_refused_request(request, refusal.status_code, kind, found.reason, found)
        return refusal

    async def identify(self, request: HTTPConnection) -> Principal | None:
        """Return the client of a request to a public route that shows more to some clients. None: not authenticated."""
        if is_operator(request):
            return OPERATOR
        connection = connection_of(request)
        if self.authentication.required and credential_of(connection) is None:
            return None  # a load balancer asks every second; do not call authenticators for that
        found = await self.authentication.identify(connection)
        return found if isinstance(found, Principal) else None


def _response_to(failure: AuthFailure, scopes: tuple[Scope, ...]) -> HTTPException:
    """RFC 6750, 3: the error is in the header for programs, and in the body for people."""
    if failure.retry_after_s is not None:
        return HTTPException(429, failure.reason, {"Retry-After": str(failure.retry_after_s)})
    if failure.authenticated:
        challenge = f'{REALM}, error="insufficient_scope", scope="{" ".join(scopes)}"'
        return HTTPException(403, failure.reason, {"WWW-Authenticate": challenge})
    challenge = f'{REALM}, error="invalid_token"' if failure.credential_given else REALM
    return HTTPException(401, failure.reason, {"WWW-Authenticate": challenge})
