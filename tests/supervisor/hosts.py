"""Real hosts with agents in worker processes, and what tests ask of them."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from websockets.sync.client import ClientConnection, connect

from tests.front.test_process import DEADLINE_S, Process, get
from tests.ports import free_port
from tests.sample_plugins import PluginFolder, plugin_folder

QUIET = '''
"""Speech services that hear nothing and say silence: an extension's services run in the workers."""
import asyncio
from voice_host_sdk import SpeechAudio, extensionimpl

class Ears:
    name = "quiet"
    reports_speech_end = True
    async def open(self, config): return Listening()
    async def aclose(self): pass

class Listening:
    def __init__(self): self.closed = asyncio.Event()
    async def send_audio(self, pcm): pass
    async def __aiter__(self):
        await self.closed.wait()
        return
        yield
    async def aclose(self): self.closed.set()

class Voice:
    name = "quiet"
    async def open(self, config): return Speaking(config.sample_rate)
    async def aclose(self): pass

class Speaking:
    def __init__(self, rate): self.rate = rate
    async def utterance(self): return Words(self.rate)
    async def aclose(self): pass

class Words:
    def __init__(self, rate): self.rate, self.ended = rate, asyncio.Event()
    async def send_text(self, text): pass
    async def end(self): self.ended.set()
    async def __aiter__(self):
        await self.ended.wait()
        yield SpeechAudio(bytes(self.rate // 50 * 2))
    async def aclose(self): self.ended.set()

@extensionimpl
def speech_to_text_providers(): return {"quiet": Ears}

@extensionimpl
def text_to_speech_providers(): return {"quiet": Voice}
'''

TELLING = """
import json, os
from voice_host_sdk import AgentConfig, LifecycleCallbacks, Session, hookimpl

SETTINGS = {}

class Callbacks(LifecycleCallbacks):
    async def on_session_starting(self, session, config):
        about = {"pid": os.getpid(), "settings": SETTINGS, "caller": session.caller and session.caller.identity,
                 "metadata": dict(session.metadata), "key": os.environ.get("SOME_KEY")}
        return config.model_copy(update={"greeting": json.dumps(about)})
    async def on_session_destroyed(self, session, end):
        print("destroyed", end.reason, flush=True)

def opening_hours(day: str) -> str:
    \"\"\"Tell the opening hours of a day.\"\"\"
    return f"{os.getpid()} on {day}"

@hookimpl
def agent_config(settings):
    SETTINGS.update(settings)
    return AgentConfig(title="Telling", tools=[opening_hours])

@hookimpl
def lifecycle_callbacks(settings):
    return Callbacks()
"""
"""Its greeting tells of its process and its session, as JSON."""

PROVIDERS = '[providers]\nspeech_to_text = "quiet"\ntext_to_speech = "quiet"\n'
HEARS_NOTHING = "No language model is configured"


@dataclass
class Host:
    """A host that serves."""

    process: Process
    port: int
    folder: Path

    def call(self, agent: str = "telling", headers: Mapping[str, str] | None = None, **query: str) -> ClientConnection:
        """Call an agent."""
        address = f"ws://127.0.0.1:{self.port}/agents/{agent}/session"
        question = f"?{urlencode(query)}" if query else ""
        return connect(
            address + question, additional_headers=headers, proxy=None, open_timeout=DEADLINE_S, close_timeout=5
        )

    def get(self, path: str) -> Any:
        return json.loads(get(self.port, path))


@contextmanager
def serving(
    folder: Path,
    settings: str = "",
    agents: Mapping[str, str] | None = None,
    *options: str,
    command: Sequence[str] = ("-m", "voice_host"),
    speech: str = QUIET,
    until: str = HEARS_NOTHING,
    **environ: str,
) -> Iterator[Host]:
    """Run `voice-host serve` with agents by id and code, and speech services that need no model.

    Args:
        folder: the working directory, where the agents are installed.
        settings: of the file, after its `[providers]`.
        agents: default: `telling`.
        options: of the verb.
        command: what Python runs.
        speech: the extension with the speech services `quiet`.
        until: in the output, once the host serves.
        environ: further variables.
    """
    port = free_port()
    agents = {"telling": TELLING} if agents is None else agents
    (folder / "voice-host.toml").write_text(PROVIDERS + settings, encoding="utf-8")
    with plugin_folder(folder) as plugins:
        install(plugins, agents, speech)
        environ = {"PYTHONPATH": str(folder), **environ}
        before = {name: os.environ.get(name) for name in environ}
        os.environ.update(environ)
        try:
            process = Process(
                "serve", "--port", str(port), "--agents", ",".join(agents), *options, cwd=folder, command=command
            )
        finally:
            for name, value in before.items():
                os.environ.pop(name) if value is None else os.environ.__setitem__(name, value)
        try:
            process.until(until)
            yield Host(process, port, folder)
        finally:
            process.close()


def install(plugins: PluginFolder, agents: Mapping[str, str], speech: str = QUIET) -> None:
    """Install the agents, and the extension with the speech services."""
    plugins.install_extension("quiet", speech)
    for agent_id, code in agents.items():
        plugins.install(agent_id, code)


def message(call: ClientConnection, kind: str) -> dict[str, Any]:
    """Read until a message of this kind, and return it."""
    while True:
        frame = call.recv(DEADLINE_S)
        if isinstance(frame, str) and (found := json.loads(frame))["type"] == kind:
            return dict(found)


def greeting(call: ClientConnection) -> dict[str, Any]:
    """Read a whole greeting of `TELLING`, and return what it tells."""
    told = message(call, "greeting")["text"]
    message(call, "tts_done")
    return dict(json.loads(told))


def ask(call: ClientConnection) -> int:
    """Let the agent run its tool, and return the id of the process that ran it."""
    call.send(json.dumps({"type": "text", "text": "What are your opening hours on Friday?"}))
    answer = message(call, "chat")["text"]
    message(call, "tts_done")
    return int(answer.split()[0])
