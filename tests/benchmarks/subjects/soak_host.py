"""The host of the soak: as `voice-host serve` runs it, with a plugin that misbehaves when asked, and a short grace."""

from __future__ import annotations

import asyncio
import gc
import os
import sys
import tempfile
import threading
from pathlib import Path

from tests.benchmarks.child import Line, Parent, own_usage
from tests.sample_plugins import plugin_folder
from voice_host.fleet.local import LocalAgents, build
from voice_host.front.app import create_host_app
from voice_host.front.listener import listen
from voice_host.front.process import HostServer
from voice_host.observability.logs import configure_logging
from voice_host.plugins import load_agents
from voice_host.settings import load_settings
from voice_host.tenancy.event_loop import run_in_event_loop

RESUME_GRACE_S = 1.0

AGENT = """
import asyncio, time
from voice_host_sdk import AgentConfig, LifecycleCallbacks, Session, hookimpl, tool

@tool(timeout_s=0.3)
async def risky(session: Session) -> str:
    \"\"\"Do what the caller's metadata say.\"\"\"
    how = session.metadata.get("plugin")
    if how == "hangs":
        await asyncio.Event().wait()
    if how == "exits":
        raise SystemExit(3)
    if how == "raises":
        raise ValueError("no")
    return "done"

@tool(timeout_s=0.3)
def slow() -> str:
    \"\"\"Work in a thread.\"\"\"
    time.sleep(0.05)
    return "done"

class Callbacks(LifecycleCallbacks):
    async def on_session_starting(self, session, config):
        if session.metadata.get("plugin") == "refuses":
            raise RuntimeError("not today")
        return config

    async def on_user_turn(self, session, turn):
        session.state["audio"] = bytes(50_000)
        if session.metadata.get("plugin") == "raises":
            raise ValueError("no")

@hookimpl
def agent_config(settings):
    return AgentConfig(title="Soak", greeting="Hello.", tools=[risky, slow])

@hookimpl
def lifecycle_callbacks(settings):
    return Callbacks()
"""


def census(agents: LocalAgents) -> Line:
    """What the process holds. Garbage is collected first: what is left is held by something."""
    gc.collect()
    manager = agents.manager("soak")
    sessions = manager.connected_calls + manager.parked_sessions
    return {
        "rss_kb": own_usage()["rss_kb"],
        "descriptors": len(os.listdir("/proc/self/fd")),  # noqa: PTH208
        "threads": threading.active_count(),
        "tasks": len(asyncio.all_tasks()),
        "sessions": sessions,
    }


async def main(stt_port: int, llm_port: int, tts_port: int) -> None:
    parent = Parent()
    configure_logging("text", "error")
    environment = {
        "ASSEMBLYAI_API_KEY": "stt-key",
        "ASSEMBLYAI_TTS_API_KEY": "tts-key",
        "VOICE_HOST_ASSEMBLYAI_WS_URL": f"ws://127.0.0.1:{stt_port}/v3/ws",
        "ASSEMBLYAI_TTS_WSS_URL": f"ws://127.0.0.1:{tts_port}/environments/production/websocket",
        "VOICE_HOST_LLM_BASE_URL": f"http://127.0.0.1:{llm_port}/v1",
        "VOICE_HOST_LLM_API_KEY": "gateway-key",
        "VOICE_HOST_MODEL": "soak",
        "VOICE_HOST_SESSIONS__RESUME_GRACE_S": str(RESUME_GRACE_S),
    }
    with tempfile.TemporaryDirectory() as folder, plugin_folder(Path(folder)) as plugins:
        plugins.install("soak", AGENT)
        settings = load_settings(None, environment, {"agents.allow": "soak"})
        agents = build(settings, agents=load_agents(settings), strict=True)
        listener = listen("127.0.0.1", 0)

        def command(line: Line) -> None:
            if line["do"] == "census":
                parent.tell({"told": "census", **census(agents)})

        try:
            await agents.start()
            server = HostServer(create_host_app(agents, settings), agents, settings)
            serving = asyncio.create_task(server.serve(sockets=[listener]))
            parent.tell({"told": "ready", "port": listener.getsockname()[1]})
            await parent.obey(command)
            server.should_exit = True
            await serving
        finally:
            await agents.stop()
            listener.close()


if __name__ == "__main__":
    run_in_event_loop(main(*map(int, sys.argv[1:])))
