"""Routes of extensions: what one of them raises is answered with 500, and ends nothing else."""

from __future__ import annotations

from functools import partial

from starlette.types import ASGIApp, Receive, Scope, Send

from voice_host.tenancy import contained


class ContainedRoutes:
    """Turns what is no `Exception` into one, which the framework answers and logs."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await contained(partial(self._app, scope, receive, send))
