"""Telling pages that the host is about to be replaced, so that they can come back to its successor."""

from __future__ import annotations

import asyncio
import os

from fastapi import FastAPI, Response
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

PATH = "/dev/restart"
LONGEST_WAIT_S = 50.0
"""After it a page asks anew: some browsers and proxies give up on an answer that takes a minute."""


def add_notice(app: FastAPI, leaving: asyncio.Event) -> None:
    """Let `GET /agents` link to an address that is answered when this process is not, or no longer, the one to ask.

    That is with 205; with 204 when nothing has happened for a while. The address names the process: a successor that
    is asked for it answers at once, so that nobody misses a change. The link's relation is that of RFC 5989.
    """
    me = os.getpid()

    @app.get(PATH, include_in_schema=False)
    async def restart(of: int) -> Response:
        if of == me:
            try:
                async with asyncio.timeout(LONGEST_WAIT_S):
                    await leaving.wait()
            except TimeoutError:
                return Response(status_code=204)
        return Response(status_code=205)

    app.add_middleware(_WithLink, link=f'<{PATH.removeprefix("/")}?of={me}>; rel="monitor"')


class _WithLink:
    """Adds the link to `GET /agents`."""

    def __init__(self, app: ASGIApp, link: str) -> None:
        self._app = app
        self._link = link

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def with_link(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["link"] = self._link
            await send(message)

        listed = scope["type"] == "http" and scope["path"] == "/agents"
        await self._app(scope, receive, with_link if listed else send)
