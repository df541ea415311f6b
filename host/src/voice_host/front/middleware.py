"""ASGI middleware around all routes: refuses unwanted requests, and adds security headers."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterable, Sequence
from functools import partial

from fastapi.middleware.trustedhost import TrustedHostMiddleware
from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import HTTPConnection
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from voice_host.auth.credentials import TOKEN_PARAMETER, offered_tokens
from voice_host.auth.origins import origin_allowed, without_default_port
from voice_host.front.authorization import OPERATOR_TOKEN, report_refused_request
from voice_host.observability.printable import printable
from voice_host.tenancy import contained

SECURITY_HEADERS = {
    # The talk page has its own; nothing else is a page.
    "content-security-policy": "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",  # for browsers that do not know frame-ancestors
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "microphone=(self), camera=(), geolocation=(), payment=(), usb=()",
    "cache-control": "no-store",
}


_PUBLIC = re.compile(r"/agents(/[^/]+/tokens)?/?|/v1/realtime/client_secrets")
_CALL = re.compile(r"/agents/[^/]+/session|/v1/realtime")
_ADDRESS = re.compile(r"(?:\[(?P<v6>[0-9a-fA-F:.]+)\]|(?P<v4>[0-9.]+))(?::[0-9]{1,5})?")

_PASSED = "voice_host.host_name"
"""Set in the scope of a request with an allowed host name, because the library does not report refusals."""


class SecurityHeaders:
    """Adds security headers that a response does not set itself, so that routes of extensions can override them."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in SECURITY_HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, with_headers)


class AllowedHosts(TrustedHostMiddleware):
    """Refuses requests whose `Host` header is neither an allowed name nor an IP address.

    This prevents DNS rebinding, with which a page points its own name at this machine. IP addresses are allowed, since
    they cannot be rebound, and health checks and Prometheus use them; and so is any name over the Unix socket, which
    pages cannot reach.

    Args:
        allowed_hosts: the names; `*` allows any.
        from_settings: the settings that they come from, for the log.
    """

    def __init__(self, app: ASGIApp, allowed_hosts: Sequence[str], from_settings: str = "server.allowed_hosts") -> None:
        async def passed_on(scope: Scope, receive: Receive, send: Send) -> None:
            scope[_PASSED] = True
            await app(scope, receive, send)

        super().__init__(passed_on, allowed_hosts, www_redirect=False)
        self._from_settings = from_settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        concerned = scope["type"] in ("http", "websocket") and OPERATOR_TOKEN not in scope.get("state", {})
        host = Headers(scope=scope).get("host", "")
        if not concerned or is_address(host):
            await self.app(scope, receive, send)
            return
        await super().__call__(scope, receive, send)
        if _PASSED not in scope:
            named = printable(host, max_chars=253)  # names in the DNS are no longer
            reason = f"the host name {named!r} is not allowed: see {self._from_settings}"
            report_refused_request(HTTPConnection(scope), 400, "host", reason)


def is_address(host: str) -> bool:
    """Whether a `Host` header is an IP address, with or without a port."""
    match = _ADDRESS.fullmatch(host)
    if match is None:
        return False
    try:
        # Not `ipaddress`, which would take as long as all other checks together.
        socket.inet_pton(*((socket.AF_INET6, match["v6"]) if match["v6"] else (socket.AF_INET, match["v4"])))
    except OSError:
        return False
    return True


class CrossOrigin:
    """CORS for the list of agents and for call tokens. Everything else is only for the host's own pages."""

    def __init__(self, app: ASGIApp, allowed: Iterable[str]) -> None:
        rules = tuple(map(without_default_port, allowed))
        wildcards = [re.escape(rule).replace(re.escape("://*."), r"://[^/]+\.") for rule in rules if "://*." in rule]
        self._app = app
        self._cors = CORSMiddleware(
            app,
            allow_origins=[rule for rule in rules if "://*." not in rule],
            allow_origin_regex="|".join(wildcards) or None,
            allow_methods=["GET", "POST"],
            allow_headers=["Authorization", "Content-Type"],
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        concerned = scope["type"] == "http" and _PUBLIC.fullmatch(scope["path"])
        await (self._cors if concerned else self._app)(scope, receive, send)


class SameSiteSockets:
    """Refuses WebSockets from pages of other sites with HTTP 403.

    Calls are checked by their route, which knows the origins allowed for each agent and can tell the client the reason.
    """

    def __init__(self, app: ASGIApp, allowed: Iterable[str]) -> None:
        self._app = app
        self._allowed = tuple(allowed)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket" and not _CALL.fullmatch(scope["path"]):
            headers = HTTPConnection(scope).headers
            if not origin_allowed(headers.get("origin"), headers.get("host", ""), self._allowed):
                report_refused_request(HTTPConnection(scope), 403, "origin", "this page may not connect here")
                await send({"type": "websocket.close", "code": 1008})
                return
        await self._app(scope, receive, send)


class OneCredential:
    """Refuses a request with several `Authorization` headers, `token` parameters or token subprotocols.

    Otherwise a proxy in front of the host might check one of them, and the host another. HTTP requests are answered
    with 400, and WebSockets with 403, the result of a close before the upgrade.
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
    if len(offered_tokens(scope.get("subprotocols", ()))) > 1:
        return "token subprotocol"
    return None


class ContainedRoutes:
    """Converts a `BaseException` of an extension's route to an `Exception`, which is logged and answered with 500."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await contained(partial(self._app, scope, receive, send))
