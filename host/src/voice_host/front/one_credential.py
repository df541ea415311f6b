"""Requests that carry two keys or tokens in the same place: who is meant is not for the host to guess."""

from __future__ import annotations

from starlette.requests import HTTPConnection
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from voice_host.auth.credentials import TOKEN_PARAMETER, TOKEN_SUBPROTOCOL
from voice_host.front.door import report_refused_request


class OneCredential:
    """Refuses a request with several `Authorization` headers, `token` parameters or token subprotocols.

    A proxy in front of the host may check one of them, and the host another. HTTP requests are answered with 400;
    WebSockets are refused with 403, which is what a close before the upgrade becomes.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket") or (doubled := _doubled(scope)) is None:
            await self._app(scope, receive, send)
            return
        status = 400 if scope["type"] == "http" else 403
        reason = f"more than one {doubled} was sent"
        report_refused_request(HTTPConnection(scope), status, "credential", reason)
        if scope["type"] == "http":
            await JSONResponse({"detail": reason}, status)(scope, receive, send)
        else:
            await send({"type": "websocket.close", "code": 1008})


def _doubled(scope: Scope) -> str | None:
    connection = HTTPConnection(scope)
    if len(connection.headers.getlist("authorization")) > 1:
        return "Authorization header"
    if len(connection.query_params.getlist(TOKEN_PARAMETER)) > 1:
        return f"{TOKEN_PARAMETER} parameter"
    if sum(name.startswith(TOKEN_SUBPROTOCOL) for name in scope.get("subprotocols", ())) > 1:
        return "token subprotocol"
    return None
