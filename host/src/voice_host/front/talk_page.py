"""The talk page at `/` and its files at `/page/`."""

from __future__ import annotations

from pathlib import Path

from fastapi import FastAPI
from fastapi.responses import FileResponse
from fastapi.staticfiles import StaticFiles
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

FOLDER = Path(__file__).parent.parent / "page"

HEADERS = {
    # No inline code, nothing from other sites, and no text parsed as markup.
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
        "require-trusted-types-for 'script'; trusted-types 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    # File names contain no hash, and after an upgrade the browser must not mix two versions.
    "cache-control": "no-cache",
}


def add_talk_page(app: FastAPI) -> None:
    """Add the page's routes to an application."""
    app.mount("/page", _WithHeaders(StaticFiles(directory=FOLDER, check_dir=False)), name="page")

    @app.get("/", include_in_schema=False)
    async def talk_page() -> FileResponse:
        return FileResponse(FOLDER / "index.html", headers=HEADERS)


class _WithHeaders:
    """Adds the page's headers to all responses of an application."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(HEADERS)
                if str(scope["path"]).endswith(".js"):
                    # The system's MIME registry may map `.js` to a type that browsers do not run.
                    headers["content-type"] = "text/javascript; charset=utf-8"
            await send(message)

        await self._app(scope, receive, with_headers)
