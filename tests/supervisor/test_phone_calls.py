"""A telephone call in a worker process: it knows its channel, reaches its carrier, and is told who answered."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

import pytest
from fastapi import FastAPI, WebSocket
from websockets.asyncio.client import ClientConnection as Calling
from websockets.asyncio.client import connect

from tests.calls.studio import serving
from tests.sample_plugins import plugin_folder
from tests.supervisor.fleet import built, greeting
from tests.supervisor.hosts import install
from voice_host.admission import Admission, Lease
from voice_host.clients.choice import ProtocolChoice
from voice_host.clients.protocol import Opening
from voice_host.clients.transport.asgi import AsgiWebSocket
from voice_host.clients.transport.connection import ClientConnection
from voice_host.front.connections import connection_options
from voice_host.settings import LimitsSettings
from voice_host.testing import TestCarrier
from voice_host_sdk import CallAnswer, Channel

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="workers are processes of Linux"),
    pytest.mark.real_time,
]

AGENT = """
import json
from voice_host_sdk import AgentConfig, ChannelError, LifecycleCallbacks, hookimpl

class Callbacks(LifecycleCallbacks):
    async def on_session_starting(self, session, config):
        about = {"channel": session.channel.name, "from": session.channel.from_number}
        return config.model_copy(update={"greeting": json.dumps(about)})
    async def on_answered(self, session, answer):
        await session.say("Answered by " + answer.by)
    async def on_user_turn(self, session, turn):
        try:
            await session.transfer(turn.text)
        except ChannelError as error:
            await session.say(str(error))

@hookimpl
def agent_config(settings):
    return AgentConfig(title="Line", tools=[])

@hookimpl
def lifecycle_callbacks(settings):
    return Callbacks()
"""

CHANNEL = Channel("acme", "phone", "outbound", "+15550199", "+15550100", "C1")


async def said(call: Calling, text: str) -> None:
    """Read until the agent has said something."""
    heard = ""
    while text not in heard:
        frame = await call.recv()
        if isinstance(frame, str):
            found = json.loads(frame)
            heard += found.get("text", "") if found["type"] in ("chat", "reply_delta") else ""


async def test_a_telephone_call_in_a_worker(tmp_path: Path) -> None:
    admission, carrier = Admission(LimitsSettings()), TestCarrier()
    with plugin_folder(tmp_path) as plugins, pytest.MonkeyPatch.context() as patch:
        install(plugins, {"line": AGENT})
        patch.setenv("PYTHONPATH", str(tmp_path))
        host = await asyncio.to_thread(built, tmp_path, "", {"line": AGENT})
        app = FastAPI()

        @app.websocket("/line")
        async def answer(ws: WebSocket) -> None:
            lease = admission.lease("session-1", "line")
            assert isinstance(lease, Lease)
            client = ClientConnection(AsgiWebSocket(ws), ProtocolChoice(), send_timeout_s=5)
            await host.agents.take(client, lease, Opening({}, channel=CHANNEL), carrier)

        try:
            await host.agents.start()
            async with (
                asyncio.timeout(60),
                serving(app, **connection_options(host.settings)) as address,
                connect(f"ws://{address}/line", proxy=None) as call,
            ):
                assert await greeting(call) == {"channel": "acme", "from": "+15550199"}
                host.agents.call_answered("session-1", CallAnswer("machine"))
                await said(call, "Answered by machine")
                carrier.refuses = "the number is not allowed"
                await call.send('{"type": "text", "text": "+15550142"}')
                await said(call, "the number is not allowed")
                carrier.refuses = None
                await call.send('{"type": "text", "text": "+15550142"}')
                await call.wait_closed()
                assert (call.close_code, call.close_reason) == (1000, "transferred to +15550142")
            assert carrier.transfers == ["+15550142"]
        finally:
            await host.agents.stop()
