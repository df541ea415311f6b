"""Telephone calls: the webhooks of the carriers, and `WS /phone/{carrier}/stream/{token}`, which carries the audio."""

from __future__ import annotations

import asyncio
from functools import partial

from fastapi import FastAPI
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket

from voice_host.clients.protocol import Opening
from voice_host.clients.transport.asgi import AsgiWebSocket
from voice_host.clients.transport.connection import ClientConnection
from voice_host.fleet.service import AgentService
from voice_host.front.authorization import report_refused_request
from voice_host.front.reload import LiveSettings
from voice_host.observability import metrics
from voice_host.phone.control import PhoneControl
from voice_host.phone.service import PhoneService


def add_phone_routes(app: FastAPI, phone: PhoneService, agents: AgentService, live: LiveSettings) -> None:
    """Add the routes of the carriers that `[phone]` sets up. They are authenticated by their signatures."""
    if not phone.carriers:
        return
    for name, carrier in phone.carriers.items():
        app.include_router(carrier.webhooks(), prefix=f"/phone/{name}", include_in_schema=False)
    route = _StreamRoute(phone, agents, live)
    app.router.routes.append(WebSocketRoute("/phone/{carrier}/stream/{token}", route.answer))


class _StreamRoute:
    def __init__(self, phone: PhoneService, agents: AgentService, live: LiveSettings) -> None:
        self._phone = phone
        self._agents = agents
        self._live = live

    async def answer(self, ws: WebSocket) -> None:
        """Run one call, from the request that opens its media stream to its end."""
        name, token = ws.path_params["carrier"], ws.path_params["token"]
        carrier = self._phone.carriers.get(name)
        if carrier is None:
            await _refuse(ws, "", "carrier", "no such carrier is set up")
            return
        why = carrier.why_not_genuine(ws, self._phone.calls.stream_url(name, token))
        if why is not None:
            await _refuse(ws, name, "signature", why)
            return
        call = self._phone.calls.connect(name, token)
        if call is None:
            await _refuse(ws, name, "token", "no call waits for this stream, or it is connected already")
            return
        timeout_s = self._live.current.limits.send_timeout_s
        client = ClientConnection(AsgiWebSocket(ws), carrier.protocol(call), send_timeout_s=timeout_s)
        client.on_closed = partial(self._phone.stream_closed, call)
        opening = Opening(call.metadata, channel=call.channel)
        # Called when `take` has begun, which from then on keeps answers until there is a session.
        tell = partial(self._agents.call_answered, call.lease.session_id)
        asyncio.get_running_loop().call_soon(call.answers.connect, tell)
        try:
            await self._agents.take(client, call.lease, opening, PhoneControl(carrier, self._phone.calls, call))
        finally:
            self._phone.stream_ended(call, client.close_code)


async def _refuse(ws: WebSocket, carrier: str, kind: str, reason: str) -> None:
    """Answer a request for a stream with HTTP 403."""
    metrics.PHONE_REFUSED.labels(carrier, kind).inc()
    report_refused_request(ws, 403, "phone_stream", reason)
    await ws.close()
