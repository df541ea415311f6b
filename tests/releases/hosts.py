"""Real hosts that agents are deployed on, with simulated speech services."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.front.test_process import Process
from tests.ports import free_port
from tests.sample_plugins import PluginFolder, plugin_folder
from tests.simulators.assemblyai import AssemblyAISimulator
from tests.simulators.orpheus import OrpheusSimulator

DESK = """
from voice_host_sdk import AgentConfig, hookimpl

def opening_hours(day: str) -> str:
    \"\"\"Tell the opening hours of a day.\"\"\"
    return f"Release {RELEASE} is open on {day} until nine."

@hookimpl
def agent_config(settings):
    return AgentConfig(title="Desk", greeting=f"This is release {RELEASE} {settings.get('who', 'for nobody')}.",
                       tools=[opening_hours])
"""


def desk(release: str, more: str = "") -> str:
    """Return the code of an agent whose greeting and answers name its release."""
    return f"RELEASE = {release!r}\n{more}\n{DESK}"


@dataclass
class Done:
    """What came of a command."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@dataclass
class DeployHost:
    """A host that serves in `folder`, which is the working directory of its commands."""

    folder: Path
    port: int
    process: Process
    environ: Mapping[str, str]

    def address(self, agent: str) -> str:
        return f"ws://127.0.0.1:{self.port}/agents/{agent}/session"

    async def run(self, *arguments: str | Path) -> Done:
        """Run a command of `voice-host`."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "voice_host", *map(str, arguments)),
            cwd=self.folder,
            env={**os.environ, **self.environ},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await process.communicate()
        assert process.returncode is not None
        return Done(process.returncode, out.decode(), err.decode())

    async def done(self, *arguments: str | Path) -> Done:
        """Run a command that succeeds."""
        done = await self.run(*arguments)
        assert done.code == 0, f"{arguments}: {done}"
        return done

    async def logged(self, event: str, count: int) -> None:
        """Wait until the host has logged an event so often."""
        await asyncio.to_thread(self.process.until, event, count)

    async def releases(self, agent: str) -> dict[str, Any]:
        """Return the releases of an agent by name."""
        found = (await self.done("releases", agent, "--json")).json
        return {each["name"]: each for each in found}


@asynccontextmanager
async def deploying(
    folder: Path, cache: Path, settings: str = "", installed: Mapping[str, str] | None = None
) -> AsyncIterator[DeployHost]:
    """Run `voice-host serve` with worker processes.

    Args:
        folder: the working directory.
        cache: that of a data directory, with the base environment of releases, which is dear.
        settings: the file.
        installed: the code of agents that are installed beside the host, by id.
    """
    _prepare(folder, cache, settings)
    async with AssemblyAISimulator(api_key="stt-key") as stt, OrpheusSimulator(ms_per_word=30) as tts:
        environ = {
            "PYTHONPATH": str(folder),
            "PYTHON_DOTENV_DISABLED": "1",
            "ASSEMBLYAI_API_KEY": "stt-key",
            "ASSEMBLYAI_TTS_API_KEY": "tts-key",
            "VOICE_HOST_ASSEMBLYAI_WS_URL": stt.url,
            "ASSEMBLYAI_TTS_WSS_URL": tts.url,
            "VOICE_HOST_MODEL": "demo",
        }
        with plugin_folder(folder) as plugins:
            _install(plugins, installed or {})
            port = free_port()
            process = Process("serve", "--port", str(port), cwd=folder, environ=environ)
            try:
                await asyncio.to_thread(process.until, "Talk to your agents at")
                yield DeployHost(folder, port, process, environ)
            finally:
                await asyncio.to_thread(process.close)


def _prepare(folder: Path, cache: Path, settings: str) -> None:
    (folder / "voice-host.toml").write_text(settings, encoding="utf-8")
    data = folder / "voice-host-data"
    if not data.exists():
        data.mkdir(mode=0o700)
        cache.mkdir(exist_ok=True)
        (data / "cache").symlink_to(cache)


def _install(plugins: PluginFolder, installed: Mapping[str, str]) -> None:
    for agent_id, code in installed.items():
        if not list(plugins.path.glob(f"{agent_id.replace('-', '_')}-*.dist-info")):
            plugins.install(agent_id, code, distribution=agent_id, version="1.0")
