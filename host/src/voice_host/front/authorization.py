"""Authentication of HTTP requests, and the responses if it fails."""

from __future__ import annotations

from types import MappingProxyType

from fastapi import HTTPException
from starlette.requests import HTTPConnection

from voice_host.auth.api_keys import Scope
from voice_host.auth.authentication import Authentication
from voice_host.auth.credentials import credential_of
from voice_host.auth.principal import AuthFailure, Principal, key_of
from voice_host.observability import metrics
from voice_host.observability.logs import get_logger
from voice_host_sdk.extensions import Connection

log = get_logger(__name__)

REALM = 'Bearer realm="voice-host"'


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
        found = await self.authentication.authorize(connection_of(request, agent_id), *scopes)
        if isinstance(found, Principal):
            return found
        refusal = _response_to(found, scopes)
        kind = "scope" if found.authenticated else "credential"
        if found.retry_after_s is not None:
            kind = "attempts"
            metrics.LIMITS_EXCEEDED.labels("", "max_auth_failures_per_minute").inc()
        report_refused_request(request, refusal.status_code, kind, found.reason, found)
        raise refusal

    async def identify(self, request: HTTPConnection) -> Principal | None:
        """Return the client of a request to a public route that shows more to some clients. None: not authenticated."""
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
