"""`WorkerAgents` behind a real front, in the process of the test; its workers are processes."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect

from tests.calls.studio import serving
from tests.sample_plugins import plugin_folder
from tests.supervisor.hosts import PROVIDERS, TELLING, install
from voice_host.fleet.installed import allowed_agents
from voice_host.front.app import create_host_app
from voice_host.front.connections import connection_options
from voice_host.front.extensions import running_extensions
from voice_host.plugins import DiscoveredAgent, Extensions
from voice_host.releases.release import Release
from voice_host.sessions.observers import Observers
from voice_host.settings import Settings, load_settings
from voice_host.speech.select import installed_extensions
from voice_host.supervisor.service import WorkerAgents, build, installed_release


@dataclass
class Fleet:
    """A front with agents in workers."""

    agents: WorkerAgents
    address: str
    releases: Mapping[str, Release]

    def call(self, agent: str = "telling", **query: str) -> connect:
        """Call an agent."""
        question = "&".join(f"{name}={value}" for name, value in query.items())
        return connect(f"ws://{self.address}/agents/{agent}/session?{question}", proxy=None, ping_interval=None)

    def release(self, agent: str = "telling", **changes: Any) -> Release:
        """The installed release of an agent, changed."""
        return self.releases[agent].model_copy(update=changes)

    def pids(self, agent: str = "telling") -> list[int | None]:
        """The processes of an agent."""
        releases = self.agents.report.agents[agent].releases
        return [worker.pid for release in releases for worker in release.workers]


def settings_of(folder: Path, text: str, agents: Mapping[str, str]) -> Settings:
    file = folder / "voice-host.toml"
    file.write_text(PROVIDERS + text, encoding="utf-8")
    return load_settings(file, environ={}, options={"agents.allow": ",".join(agents)})


@dataclass
class Built:
    """What a host builds before it has an event loop."""

    settings: Settings
    extensions: Extensions
    observers: Observers
    agents: WorkerAgents
    releases: Mapping[str, Release]


def built(folder: Path, text: str, agents: Mapping[str, str]) -> Built:
    settings = settings_of(folder, text, agents)
    extensions = installed_extensions(settings)
    observers = Observers(extensions.observers)
    found, _ = allowed_agents(settings)
    releases = {each.id: installed_release(each) for each in found if isinstance(each, DiscoveredAgent)}
    return Built(settings, extensions, observers, build(settings, extensions, observers=observers), releases)


@asynccontextmanager
async def fleet(folder: Path, text: str = "", agents: Mapping[str, str] | None = None) -> AsyncIterator[Fleet]:
    """Serve agents by id and code; default: `telling`. `text`: more settings."""
    agents = {"telling": TELLING} if agents is None else agents
    with plugin_folder(folder) as plugins, pytest.MonkeyPatch.context() as patch:
        install(plugins, agents)
        patch.setenv("PYTHONPATH", f"{folder}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
        host = await asyncio.to_thread(built, folder, text, agents)
        app = create_host_app(host.agents, host.settings, extensions=host.extensions)
        async with running_extensions(host.extensions, host.observers, host.settings):
            try:
                await host.agents.start()
                async with serving(app, **connection_options(host.settings)) as address:
                    yield Fleet(host.agents, address, host.releases)
                    await host.agents.drain()
            finally:
                await host.agents.stop()


async def message(call: ClientConnection, kind: str) -> dict[str, Any]:
    """Read until a message of this kind, and return it."""
    while True:
        frame = await call.recv()
        if isinstance(frame, str) and (found := json.loads(frame))["type"] == kind:
            return dict(found)


async def greeting(call: ClientConnection) -> dict[str, Any]:
    """Read a whole greeting of `TELLING`, and return what it tells."""
    told = (await message(call, "greeting"))["text"]
    await message(call, "tts_done")
    return dict(json.loads(told))


async def ask(call: ClientConnection) -> int:
    """Let the agent run its tool, and return the id of the process that ran it."""
    await call.send(json.dumps({"type": "text", "text": "What are your opening hours on Friday?"}))
    answer = (await message(call, "chat"))["text"]
    await message(call, "tts_done")
    return int(answer.split()[0])
