"""The talk page at `/` and its files at `/page/`."""

from __future__ import annotations

from pathlib import Path

from fastapi import FastAPI
from fastapi.responses import FileResponse

from voice_host.front.static_files import FilesWithHeaders

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
    """Add the page's routes to an application. It needs those of the client, too: see `add_browser_client`."""
    app.mount("/page", FilesWithHeaders(FOLDER, HEADERS), name="page")

    @app.get("/", include_in_schema=False)
    async def talk_page() -> FileResponse:
        return FileResponse(FOLDER / "index.html", headers=HEADERS)
