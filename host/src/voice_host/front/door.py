"""The gate as the routes use it: what a request looks like to it, and how its no is said in HTTP."""

from __future__ import annotations

from types import MappingProxyType

from fastapi import HTTPException
from starlette.requests import HTTPConnection

from voice_host.auth.api_keys import Scope
from voice_host.auth.credentials import credential_of
from voice_host.auth.gate import Gate, Refusal, Visitor, key_of
from voice_host.observability import metrics
from voice_host.observability.logs import get_logger
from voice_host_sdk.extensions import Connection

log = get_logger(__name__)

REALM = 'Bearer realm="voice-host"'


def connection_of(request: HTTPConnection, agent_id: str | None = None) -> Connection:
    """Return what authenticators see of a request or a WebSocket."""
    return Connection(
        agent_id=agent_id,
        path=request.scope["path"],
        query=MappingProxyType(dict(request.query_params)),
        headers=MappingProxyType({name.lower(): value for name, value in request.headers.items()}),
        client_host=request.client.host if request.client else None,
        subprotocols=tuple(request.scope.get("subprotocols", ())),
    )


def origin_of(request: HTTPConnection, who: Visitor | Refusal | None = None) -> dict[str, str]:
    """Return what a log line says of where a request came from: the client's address and the key's id."""
    key_id = key_of(who.caller) if isinstance(who, Visitor) else who.key_id if who is not None else None
    found = {"client": request.client.host if request.client else None, "key_id": key_id}
    return {name: value for name, value in found.items() if value}


def report_refused_request(
    request: HTTPConnection, status: int, kind: str, reason: str, who: Refusal | None = None
) -> None:
    """Count a request or an upgrade that is refused, by `kind`, and log it with the reason."""
    metrics.REQUESTS_REFUSED.labels(str(status), kind).inc()
    log.info("request_refused", path=request.scope["path"], status=status, reason=reason, **origin_of(request, who))


class Door:
    """Asks the gate on behalf of HTTP routes."""

    def __init__(self, gate: Gate) -> None:
        self.gate = gate

    async def let_in(self, request: HTTPConnection, *scopes: Scope, agent_id: str | None = None) -> Visitor:
        """Return who is there, with one of the scopes.

        Raises:
            HTTPException: 401 without a good key or token, 403 with one that is not good for this.
        """
        connection = connection_of(request, agent_id)
        answer = await self.gate.admit(connection, *scopes)
        if isinstance(answer, Visitor):
            return answer
        refusal = _said_no(answer, scopes)
        reason = "scope" if answer.known else "credential"
        if answer.retry_after_s is not None:
            reason = "attempts"
            metrics.LIMITS_EXCEEDED.labels("", "max_auth_failures_per_minute").inc()
        report_refused_request(request, refusal.status_code, reason, answer.reason, answer)
        raise refusal

    async def look(self, request: HTTPConnection) -> Visitor | None:
        """Return who is there, on a route that is open to all and says more to some; None for nobody in particular."""
        connection = connection_of(request)
        if self.gate.closed and credential_of(connection) is None:
            return None  # a load balancer asks every second: no extension is bothered
        answer = await self.gate.identify(connection)
        return answer if isinstance(answer, Visitor) else None


def _said_no(refusal: Refusal, scopes: tuple[Scope, ...]) -> HTTPException:
    """RFC 6750, 3: what was wrong stands in the header for programs, and in the body for people."""
    if refusal.retry_after_s is not None:
        return HTTPException(429, refusal.reason, {"Retry-After": str(refusal.retry_after_s)})
    if refusal.known:
        challenge = f'{REALM}, error="insufficient_scope", scope="{" ".join(scopes)}"'
        return HTTPException(403, refusal.reason, {"WWW-Authenticate": challenge})
    challenge = f'{REALM}, error="invalid_token"' if refusal.tried else REALM
    return HTTPException(401, refusal.reason, {"WWW-Authenticate": challenge})
