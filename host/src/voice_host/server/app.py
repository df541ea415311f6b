"""The HTTP and WebSocket surface of a running host."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from fastapi import FastAPI, Response, WebSocket
from fastapi.middleware.trustedhost import TrustedHostMiddleware
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from voice_host import metrics
from voice_host.discovery import BrokenAgent
from voice_host.limits import Refusal
from voice_host.server.host import Host
from voice_host.server.talk_page import add_talk_page
from voice_host.session.close_codes import CloseCode, fit_reason


def create_host_app(host: Host, *, allowed_hosts: Sequence[str] = ("*",)) -> FastAPI:
    """Return the application that shows `host` to the network. Whoever made the host starts and stops it.

    Args:
        host: the agents.
        allowed_hosts: names in the `Host` header that are answered. A page that rebinds its own name to this machine
            would pass a comparison of `Origin` and `Host`; it does not know these names.
    """
    app = FastAPI(title="voice-host", docs_url=None, redoc_url=None)
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=list(allowed_hosts), www_redirect=False)
    add_talk_page(app)

    @app.get("/agents")
    async def agents() -> list[dict[str, Any]]:
        return host.describe()

    @app.get("/health")
    async def health() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/ready")
    async def ready() -> JSONResponse:
        described = host.describe()
        counts = {
            "status": host.state,
            "agents": sum(agent["status"] == "ready" for agent in described),
            "broken": sum(agent["status"] == "broken" for agent in described),
            "calls": host.active_calls,
        }
        return JSONResponse(counts, status_code=200 if host.state == "ready" else 503)

    @app.get("/metrics", include_in_schema=False)
    def prometheus() -> Response:  # in a thread: the collector of process figures reads files
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    @app.websocket("/agents/{agent_id}/session")
    async def session(ws: WebSocket, agent_id: str) -> None:
        agent = host.agents.get(agent_id)
        if not _same_origin(ws):
            await _refuse(ws, "", CloseCode.ORIGIN_NOT_ALLOWED, "this page may not call here")
        elif agent is None:
            await _refuse(ws, "", CloseCode.NO_SUCH_AGENT, f"there is no agent {agent_id!r}")
        elif isinstance(agent, BrokenAgent):
            await _refuse(ws, agent_id, CloseCode.AGENT_BROKEN, f"the agent is broken ({agent.phase})")
        elif host.state != "ready":
            await _refuse(ws, agent_id, CloseCode.DRAINING, "the server is shutting down")
        else:
            place = host.admission.enter(agent_id, client_host=ws.client.host if ws.client else None)
            if isinstance(place, Refusal):
                metrics.LIMITS_EXCEEDED.labels(agent_id, place.limit).inc()
                await _refuse(ws, agent_id, CloseCode.OVER_A_LIMIT, place.reason)
                return
            with place:
                await agent.handler.handle(ws)

    return app


def _same_origin(ws: WebSocket) -> bool:
    """A page of another site must not use a visitor's host. Whoever sends no Origin is no browser."""
    origin = ws.headers.get("origin")
    return origin is None or urlsplit(origin).netloc.lower() == ws.headers.get("host", "").lower()


async def _refuse(ws: WebSocket, agent_id: str, code: CloseCode, reason: str) -> None:
    """Close with a code that a browser can see, which takes accepting first."""
    metrics.CALLS_REFUSED.labels(agent_id, str(code.value)).inc()
    await ws.accept()
    await ws.close(code, fit_reason(reason))
