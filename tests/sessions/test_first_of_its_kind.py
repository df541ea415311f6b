"""A model that one caller's configuration names first of all: importing its client takes a second, and calls go on."""

from __future__ import annotations

import os
import subprocess
import sys

SCRIPT = """
import asyncio, sys, threading

from voice_host.sessions.manager import VoiceAgentManager
from voice_host_sdk import AgentConfig, LifecycleCallbacks

importing = []

class Watch:
    def find_spec(self, name, path=None, target=None):
        if name == "voice_host.models.gateway":
            importing.append(threading.current_thread() is threading.main_thread())

class PerCaller(LifecycleCallbacks):
    async def on_session_starting(self, session, config):
        return AgentConfig(model=session.metadata["model"])

async def main():
    manager = VoiceAgentManager(config=AgentConfig(model="demo"), callbacks=PerCaller(), callback_timeout_s=60)
    assert "voice_host.models.gateway" not in sys.modules
    sys.meta_path.insert(0, Watch())
    agents = [await manager.get_or_create(f"{n}", metadata={"model": "claude-haiku"}) for n in range(2)]
    print([agent.model_name for agent in agents], importing)
    await manager.aclose_all()

asyncio.run(main())
"""


def test_its_client_is_imported_in_a_thread() -> None:
    keys = {"ASSEMBLYAI_API_KEY": "k", "VOICE_HOST_MODEL": "", "VOICE_HOST_LLM_BASE_URL": "", "VOICE_HOST_CONFIG": ""}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=100, env=os.environ | keys
    )
    assert done.stdout == "['claude-haiku', 'claude-haiku'] [False]\n", done.stderr
