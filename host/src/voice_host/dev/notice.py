"""Telling pages that the host is about to be replaced, so that they can come back to its successor."""

from __future__ import annotations

import asyncio

from fastapi import FastAPI, Response
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

PATH = "/dev/restart"
LINK = f'<{PATH.removeprefix("/")}>; rel="monitor"'
"""Of the header by which `GET /agents` says that there is something to watch (the relation is that of RFC 5989)."""

LONGEST_WAIT_S = 50.0
"""After it a page asks anew: some browsers and proxies give up on an answer that takes a minute."""


def add_notice(app: FastAPI, leaving: asyncio.Event) -> None:
    """Add `GET /dev/restart`, answered with 205 when `leaving` is set and with 204 when that took too long."""

    @app.get(PATH, include_in_schema=False)
    async def restart() -> Response:
        try:
            async with asyncio.timeout(LONGEST_WAIT_S):
                await leaving.wait()
        except TimeoutError:
            return Response(status_code=204)
        return Response(status_code=205)

    app.add_middleware(_WithLink)


class _WithLink:
    """Adds the link to `GET /agents`."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def with_link(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["link"] = LINK
            await send(message)

        listed = scope["type"] == "http" and scope["path"] == "/agents"
        await self._app(scope, receive, with_link if listed else send)
