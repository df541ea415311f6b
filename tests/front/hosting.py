"""A whole host with simulated speech services and the demo model, on loopback."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.calls.studio import serving
from tests.sample_plugins import PluginFolder, plugin_folder
from tests.simulators.assemblyai import AssemblyAISimulator
from tests.simulators.orpheus import OrpheusSimulator
from voice_host.admission import Admission
from voice_host.auth.authentication import build_authentication
from voice_host.fleet.local import LocalAgents, build
from voice_host.fleet.report import AgentReport
from voice_host.fleet.service import log_report
from voice_host.front.app import create_host_app
from voice_host.front.connections import connection_options
from voice_host.front.extensions import running_extensions
from voice_host.observability.agent_logs import AgentLogs
from voice_host.phone.calls import PhoneCalls
from voice_host.phone.service import PhoneService
from voice_host.plugins import load_agents
from voice_host.sessions.observers import Observers
from voice_host.settings import Settings, load_settings
from voice_host.speech.select import installed_extensions
from voice_host_sdk import Authenticator

COUNTING = """
from voice_host_sdk import AgentConfig, LifecycleCallbacks, hookimpl
from pathlib import Path
import asyncio

class Callbacks(LifecycleCallbacks):
    def __init__(self, folder):
        self.log = Path(folder) / "log.txt"
    async def note(self, text):
        await asyncio.to_thread(self.write, text)
    def write(self, text):
        with self.log.open("a") as file:
            file.write(text + "\\n")
    async def on_startup(self): await self.note("startup")
    async def on_shutdown(self): await self.note("shutdown")
    async def on_session_created(self, session): await self.note("created")
    async def on_session_destroyed(self, session, end): await self.note("destroyed " + end.reason)

def opening_hours(day: str) -> str:
    \"\"\"Tell the opening hours of a day.\"\"\"
    return f"On {day} we open at nine."

@hookimpl
def agent_config(settings):
    return AgentConfig(title="Counting", description="Counts.", greeting="Hello.", tools=[opening_hours],
                       examples=["Are you open on Friday?"],
                       model=settings.get("model"))

@hookimpl
def lifecycle_callbacks(settings):
    return Callbacks(settings["folder"])
"""


@dataclass
class Running:
    """A host that serves, and where."""

    agents: LocalAgents
    admission: Admission
    settings: Settings
    address: str
    stt: AssemblyAISimulator
    tts: OrpheusSimulator

    @property
    def reports(self) -> list[AgentReport]:
        return list(self.agents.report.agents.values())

    def session(self, agent_id: str) -> str:
        return f"ws://{self.address}/agents/{agent_id}/session"


@contextmanager
def installed(folder: Path) -> Iterator[PluginFolder]:
    """A folder to install throw-away agents into."""
    with plugin_folder(folder) as plugins:
        yield plugins


@asynccontextmanager
async def running(
    folder: Path,
    toml: str = "",
    *,
    allow: str = "",
    strict: bool = False,
    model: str | None = "demo",
    authenticators: Mapping[str, Authenticator] | None = None,
    logs: AgentLogs | None = None,
    deployments: str | None = None,
    environ: Mapping[str, str] | None = None,
) -> AsyncIterator[Running]:
    """Run the agents that `allow` names.

    Args:
        logs: has the lines about them.
        deployments: why there are none; None: there are no routes for them either.
        environ: added to the variables; an empty one counts as unset.
    """
    file = folder / "voice-host.toml"
    file.write_text(toml, encoding="utf-8")
    async with (
        AssemblyAISimulator(api_key="stt-key") as stt,
        OrpheusSimulator(api_key="tts-key", ms_per_word=40) as tts,
    ):
        settings = load_settings(
            file,
            {
                "ASSEMBLYAI_API_KEY": "stt-key",
                "ASSEMBLYAI_TTS_API_KEY": "tts-key",
                "VOICE_HOST_ASSEMBLYAI_WS_URL": stt.url,
                "ASSEMBLYAI_TTS_WSS_URL": tts.url,
                "VOICE_HOST_MODEL": model or "",
                **(environ or {}),
            },
            {"agents.allow": allow},
        )
        extensions = installed_extensions(settings)
        observers = Observers(extensions.observers, timeout_s=settings.agents.callback_timeout_s)
        agents = build(settings, extensions, agents=load_agents(settings), observers=observers, strict=strict)
        admission = Admission(settings.limits, lambda agent_id: settings.for_agent(agent_id).max_calls)
        try:
            async with running_extensions(extensions, observers, settings):
                try:
                    try:
                        await agents.start()
                    finally:
                        log_report(agents.report)
                    app = create_host_app(
                        agents,
                        settings,
                        authentication=build_authentication(
                            settings, {**extensions.authenticators, **(authenticators or {})}
                        ),
                        admission=admission,
                        extensions=extensions,
                        logs=logs,
                        deployments=deployments,
                        phone=PhoneService(settings.phone, PhoneCalls(agents, admission, lambda: settings.phone)),
                    )
                    async with serving(app, lifespan="off", **connection_options(settings)) as address:
                        yield Running(agents, admission, settings, address, stt, tts)
                finally:
                    await agents.stop()
        finally:
            await agents.stop()
