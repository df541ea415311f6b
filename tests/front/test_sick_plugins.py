"""A real host whose plugins raise what would end the process: it goes on serving."""

from __future__ import annotations

import http.client
import json
import os
import signal
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from websockets.sync.client import ClientConnection, connect

from tests.front.test_process import DEADLINE_S, get, process
from tests.ports import free_port
from tests.sample_plugins import plugin_folder

pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals")

AGENT = """
import asyncio
from voice_host_sdk import AgentConfig, LifecycleCallbacks, hookimpl

async def stray():
    raise SystemExit

class Callbacks(LifecycleCallbacks):
    async def on_startup(self):
        self.task = asyncio.create_task(stray())
        await asyncio.sleep(0)
    async def on_session_created(self, session):
        asyncio.get_running_loop().call_soon(exit)
        raise KeyboardInterrupt
    async def on_shutdown(self):
        raise SystemExit

async def opening_hours(day: str) -> str:
    \"\"\"Tell the opening hours of a day.\"\"\"
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(stray())
        await asyncio.sleep(1)

@hookimpl
def agent_config(settings):
    return AgentConfig(greeting="Hello.", tools=[opening_hours])

@hookimpl
def lifecycle_callbacks(settings):
    return Callbacks()
"""

HOOK = "from voice_host_sdk import hookimpl\n@hookimpl\ndef agent_config(settings):\n    raise KeyboardInterrupt"

ROUTES = """
from fastapi.responses import StreamingResponse
from voice_host_sdk import extensionimpl

async def body():
    yield b"x"
    raise KeyboardInterrupt

@extensionimpl
def register_routes(app):
    @app.get("/sick")
    async def sick():
        raise SystemExit

    @app.get("/stream")
    async def stream():
        return StreamingResponse(body())
"""


def read_until(call: ClientConnection, kind: str) -> None:
    while True:
        frame = call.recv(DEADLINE_S)
        if isinstance(frame, str) and json.loads(frame)["type"] == kind:
            return


@pytest.mark.fault("plugin: a task of its own exits")
def test_a_host_with_plugins_that_exit_everywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    port = free_port()
    with plugin_folder(tmp_path) as plugins:
        plugins.install("sick", AGENT)
        plugins.install("hook", HOOK)
        plugins.install_extension("routes", ROUTES)
        with process("serve", "--port", str(port), "--agents", "sick,hook", cwd=tmp_path) as host:
            host.until("No language model is configured")
            for _ in range(2):
                with connect(f"ws://127.0.0.1:{port}/agents/sick/session") as call:
                    read_until(call, "tts_done")
                    call.send(json.dumps({"type": "text", "text": "What are your opening hours on Friday?"}))
                    read_until(call, "tool_result")
                    read_until(call, "tts_done")
                with pytest.raises(urllib.error.HTTPError, match="500") as error:
                    get(port, "/sick")
                error.value.close()
                with pytest.raises((http.client.HTTPException, OSError)):
                    urllib.request.urlopen(f"http://127.0.0.1:{port}/stream", timeout=10).read()
                assert json.loads(get(port, "/health")) == {"status": "ok"}
            statuses = {agent["id"]: agent["status"] for agent in json.loads(get(port, "/agents"))}
            assert statuses == {"sick": "ready", "hook": "broken"}
            host.signal(signal.SIGINT)
            assert host.ended() == 0
            assert "stray_exit_ignored" in host.output
