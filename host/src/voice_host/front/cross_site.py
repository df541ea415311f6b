"""WebSockets that extensions add: a page of another site may open them no more than it may call."""

from __future__ import annotations

import re
from collections.abc import Iterable

from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send

from voice_host.auth.origins import origin_allowed
from voice_host.front.door import report_refused_request

_CALL = re.compile(r"/agents/[^/]+/session")


class SameSiteSockets:
    """Refuses the upgrade with HTTP 403, all but that of calls: these are told why, and an agent may name its sites."""

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
