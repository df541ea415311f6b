"""`WS /v1/realtime`: calls of clients of the OpenAI Realtime API."""

from __future__ import annotations

import time

from fastapi import FastAPI
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket

from voice_host.admission import call_limits
from voice_host.auth.addresses import split_address
from voice_host.clients import openai_realtime
from voice_host.clients.choice import ProtocolChoice
from voice_host.clients.close_codes import CloseCode
from voice_host.front.calls import Calls
from voice_host.front.reload import LiveSettings

PATH = "/v1/realtime"

BETA_SUBPROTOCOL = "openai-beta.realtime-v1"
"""With it, browsers asked for the beta of the API."""


def add_realtime_route(app: FastAPI, calls: Calls, live: LiveSettings) -> None:
    """Add the route."""

    async def answer(ws: WebSocket) -> None:
        model = ws.query_params.get("model", "")
        longest_s = call_limits(live.current, split_address(model)[0]).max_call_s
        options = {"model": model, "expires_at": int(time.time() + longest_s)}
        choice = ProtocolChoice(name=openai_realtime.NAME, options=options)
        if (refused := _not_served(ws)) is not None:
            await calls.refuse(ws, choice, *refused)
            return
        await calls.answer(ws, model, choice)

    app.router.routes.append(WebSocketRoute(PATH, answer))


def _not_served(ws: WebSocket) -> tuple[CloseCode, str] | None:
    """Return why a request is none for a session of this protocol."""
    query = ws.query_params
    if "realtime" in ws.headers.get("openai-beta", "") or BETA_SUBPROTOCOL in ws.scope.get("subprotocols", ()):
        return CloseCode.COULD_NOT_START, "the beta of the Realtime API is not served: leave out OpenAI-Beta"
    if "call_id" in query:
        return CloseCode.COULD_NOT_START, "there are no calls to attach to: leave out call_id"
    if query.get("intent") == "transcription":
        return CloseCode.COULD_NOT_START, "transcription alone is not served: leave out intent"
    if not query.get("model"):
        return CloseCode.NO_SUCH_AGENT, "name the agent in the parameter model"
    return None
