"""The client for browsers, `/client.js`, and the widget, `/widget.js`, with the modules that they load."""

from __future__ import annotations

from pathlib import Path

from fastapi import FastAPI, Request, Response
from fastapi.middleware.gzip import GZipMiddleware

from voice_host.front.static_files import FilesWithHeaders

FOLDER = Path(__file__).parent.parent / "browser"

HEADERS = {
    # Any page may load these files. Whether it may call is checked for each call, by its origin and token.
    "access-control-allow-origin": "*",
    "cross-origin-resource-policy": "cross-origin",
    "x-content-type-options": "nosniff",
    # File names contain no hash, and after an upgrade the browser must not mix two versions: it asks with the ETag.
    "cache-control": "no-cache",
}


def add_browser_client(app: FastAPI) -> None:
    """Add the routes to an application."""
    files = FilesWithHeaders(FOLDER, HEADERS)
    for folder in ("client", "widget"):
        app.mount(f"/{folder}", GZipMiddleware(FilesWithHeaders(FOLDER / folder, HEADERS)), name=folder)

    def serve(name: str) -> None:
        @app.get(f"/{name}", include_in_schema=False)
        async def serve_file(request: Request) -> Response:
            return await files.get_response(name, request.scope)

    for name in ("client.js", "client.d.ts", "widget.js"):
        serve(name)
