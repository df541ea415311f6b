"""The host as `voice-host serve` runs it, with AssemblyAI, Orpheus and the gateway's model at given addresses."""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from fastapi import FastAPI

from tests.benchmarks.child import Line, Parent
from tests.sample_plugins import plugin_folder
from voice_host.fleet.local import build
from voice_host.fleet.service import AgentService
from voice_host.front.app import create_host_app
from voice_host.front.listener import listen
from voice_host.front.process import HostServer
from voice_host.observability.logs import configure_logging
from voice_host.plugins import load_agents
from voice_host.settings import Settings, load_settings
from voice_host.tenancy import CodeOwners, watching
from voice_host.tenancy.event_loop import run_in_event_loop

AGENT = """
from voice_host_sdk import AgentConfig, hookimpl

def opening_hours(day: str) -> str:
    \"\"\"Tell when the desk is open.

    Args:
        day: weekday name
    \"\"\"
    return f"On {day} from nine to five."

@hookimpl
def agent_config(settings):
    return AgentConfig(title="Benchmark", tools=[opening_hours])
"""


@contextmanager
def host_settings(stt_port: int, llm_port: int, tts_port: int, toml: str = "") -> Iterator[Settings]:
    """Install the agent, and yield the settings of its host.

    Args:
        toml: the settings file.
    """
    environment = {
        "ASSEMBLYAI_API_KEY": "stt-key",
        "ASSEMBLYAI_TTS_API_KEY": "tts-key",
        "VOICE_HOST_ASSEMBLYAI_WS_URL": f"ws://127.0.0.1:{stt_port}/v3/ws",
        "ASSEMBLYAI_TTS_WSS_URL": f"ws://127.0.0.1:{tts_port}/websocket",
        "VOICE_HOST_LLM_BASE_URL": f"http://127.0.0.1:{llm_port}/v1",
        "VOICE_HOST_LLM_API_KEY": "llm-key",
        "VOICE_HOST_MODEL": "benchmark",
    }
    configure_logging("text", "warning")
    with tempfile.TemporaryDirectory() as folder, plugin_folder(Path(folder)) as plugins:
        plugins.install("benchmark", AGENT)
        os.environ["PYTHONPATH"] = folder  # for processes that are started
        file = Path(folder) / "voice-host.toml"
        file.write_text(f'[server]\nlog_level = "warning"\n{toml}', encoding="utf-8")
        yield load_settings(file, environment, {"agents.allow": "benchmark"})


async def serve(
    parent: Parent,
    agents: AgentService,
    settings: Settings,
    obey: Callable[[Line], object],
    app: FastAPI | None = None,
) -> None:
    """Serve calls until the parent hangs up. `obey` carries out further commands. `app`: default: that of the host."""

    async def command(line: Line) -> None:
        if asyncio.iscoroutine(work := obey(line)):
            await work

    listener = listen("127.0.0.1", 0)
    try:
        await agents.start()
        server = HostServer(app or create_host_app(agents, settings), agents, settings)
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        parent.tell({"told": "ready", "port": listener.getsockname()[1], "path": "/agents/benchmark/session"})
        async with watching(CodeOwners({}), settings.server.loop_blocked_ms):
            await parent.obey(command)
        server.should_exit = True
        await serving
    finally:
        await agents.stop()
        listener.close()


async def main(*ports: int) -> None:
    with host_settings(*ports) as settings:
        await serve(Parent(), build(settings, agents=load_agents(settings), strict=True), settings, lambda _: None)


if __name__ == "__main__":
    run_in_event_loop(main(*map(int, sys.argv[1:])))
