"""`WS /agents/{id}/session`: calls of the host's own protocol."""

from __future__ import annotations

from fastapi import FastAPI
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket

from voice_host.clients.choice import ProtocolChoice
from voice_host.front.calls import Calls


def add_call_route(app: FastAPI, calls: Calls) -> None:
    """Add the route. A Starlette route, because FastAPI's would resolve dependencies for each call."""

    async def answer(ws: WebSocket) -> None:
        await calls.answer(ws, ws.path_params["agent_id"], ProtocolChoice(), resume=ws.query_params.get("resume"))

    app.router.routes.append(WebSocketRoute("/agents/{agent_id}/session", answer))
