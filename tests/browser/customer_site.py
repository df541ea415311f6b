"""A customer's web site: a page of another origin than the host's, with a strict security policy, and its backend."""

from __future__ import annotations

from pathlib import Path

import httpx2
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, Response
from starlette.routing import Route


class CustomerSite:
    """Serves `body` at `/`, allowing the scripts and calls of `host` alone, and call tokens at `/voice-token`."""

    def __init__(self) -> None:
        self.url = ""
        self.host = ""
        self.also_allowed = ""
        """A further address that the page may connect to."""
        self.body = ""
        self.script = ""
        self.recording = Path()
        """Served at `/speech.wav`."""
        self.key: str | None = None
        """The API key of the site's owner. Without one, nobody gets a token."""
        self.token_requests: list[str | None] = []
        """The `Origin` of each request for a token."""
        routes = [Route("/", self._page), Route("/page.js", self._script), Route("/speech.wav", self._recording)]
        self.app = Starlette(routes=[*routes, Route("/voice-token", self._token, methods=["POST"])])

    def show(self, host: str, body: str = '<voice-agent agent="front-desk"></voice-agent>', script: str = "") -> str:
        """Put a page with the widget of `host` online, and return its address."""
        self.host = host
        self.body = f'<script type="module" src="{host}/widget.js"></script>{body}'
        self.script = script
        return self.url

    async def _page(self, _request: Request) -> Response:
        sockets = self.host.replace("http", "ws", 1)
        policy = f"default-src 'none'; script-src 'self' {self.host}; connect-src 'self' {sockets} {self.also_allowed}"
        page = (
            '<!doctype html><html lang="en"><title>Shop</title><meta charset="utf-8">'
            f'<h1>Shop</h1>{self.body}<script type="module" src="/page.js"></script>'
        )
        headers = {
            "content-security-policy": f"{policy}; require-trusted-types-for 'script'; trusted-types 'none'",
            "cross-origin-embedder-policy": "require-corp",
            "permissions-policy": "microphone=(self)",
        }
        return HTMLResponse(page, headers=headers)

    async def _script(self, _request: Request) -> Response:
        return Response(self.script.replace("HOST", self.host), media_type="text/javascript")

    async def _recording(self, _request: Request) -> Response:
        return FileResponse(self.recording)

    async def _token(self, request: Request) -> Response:
        self.token_requests.append(request.headers.get("origin"))
        if self.key is None:
            return JSONResponse({"detail": "please sign in"}, status_code=401)
        async with httpx2.AsyncClient(headers={"authorization": f"Bearer {self.key}"}) as http:
            body = {"subject": "visitor-1", "metadata": {"name": "Ada"}}
            answer = await http.post(f"{self.host}/agents/front-desk/tokens", json=body)
        return JSONResponse({"token": answer.raise_for_status().json()["token"]})
