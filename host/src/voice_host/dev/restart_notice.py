"""Telling talk pages that this process is about to be replaced, so that they can reconnect to its successor."""

from __future__ import annotations

import asyncio
import os

from fastapi import FastAPI, Response
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

PATH = "/dev/restart"
MAX_WAIT_S = 50.0
"""A page then asks again: some browsers and proxies give up on an answer after a minute."""


def add_restart_notice(app: FastAPI, stopping: asyncio.Event) -> None:
    """Add a link to `GET /agents` with an address that answers once this process is no longer the one to ask.

    The answer is 205 then, and 204 if nothing has happened for `MAX_WAIT_S`. The address names the process, and a
    successor answers it at once, so no restart is missed. The link relation is that of RFC 5989.

    Args:
        stopping: is set when the process begins to stop.
    """
    process_id = os.getpid()

    @app.get(PATH, include_in_schema=False)
    async def restart(of: int) -> Response:
        if of == process_id:
            try:
                async with asyncio.timeout(MAX_WAIT_S):
                    await stopping.wait()
            except TimeoutError:
                return Response(status_code=204)
        return Response(status_code=205)

    app.add_middleware(_LinkHeader, link=f'<{PATH.removeprefix("/")}?of={process_id}>; rel="monitor"')


class _LinkHeader:
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
