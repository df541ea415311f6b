"""Nothing that a host emits in a run full of faults holds a secret: logs, answers, frames, metrics, `config`."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path

import httpx
import pytest

from tests.calls.client import calling
from tests.plugins import plugin_folder
from tests.simulators.assemblyai import AssemblyAISimulator
from tests.simulators.gateway import GatewaySimulator
from tests.simulators.orpheus import OrpheusSimulator

pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals")

AGENT = """
import logging
from voice_host_sdk import AgentConfig, LifecycleCallbacks, hookimpl

class Callbacks(LifecycleCallbacks):
    def __init__(self, token): self.token = token
    async def on_user_turn(self, session, turn):
        logging.getLogger("a_plugin").warning("logged in with %s", self.token)
        raise RuntimeError("refused: " + self.token)

@hookimpl
def agent_config(settings):
    if settings.get("broken"):
        raise RuntimeError("cannot log in with " + settings["crm_token"])
    return AgentConfig(greeting="Hello there.")

@hookimpl
def lifecycle_callbacks(settings):
    return Callbacks(settings["crm_token"])
"""

FILE = """
[server]
log_level = "debug"
log_format = "json"
[agents]
allow = ["leaky", "broken"]
[agent.leaky.settings]
crm_token = "planted-crm-token"
[agent.broken.settings]
broken = true
crm_token = { env = "CRM_TOKEN" }
"""

SECRETS = {
    "ASSEMBLYAI_API_KEY": "planted-stt-key",
    "ASSEMBLYAI_TTS_API_KEY": "planted-tts-key",
    "VOICE_HOST_LLM_API_KEY": "planted-llm-key",
    "CRM_TOKEN": "planted-other-token",
}
WORDS = "planted words of a caller"


async def test_a_run_full_of_faults_shows_no_secret_and_logs_no_words(tmp_path: Path) -> None:
    (tmp_path / "voice-host.toml").write_text(FILE, encoding="utf-8")
    with plugin_folder(tmp_path) as plugins:
        plugins.install("leaky", AGENT)
        plugins.install("broken", AGENT)
    async with (
        AssemblyAISimulator(api_key="another") as stt,  # refuses the host's key, and so does the model
        OrpheusSimulator(api_key="planted-tts-key", ms_per_word=40) as tts,
        GatewaySimulator(api_key="another") as llm,
    ):
        environ = {k: v for k, v in os.environ.items() if not k.startswith(("VOICE_HOST_", "ASSEMBLYAI_"))}
        environ |= SECRETS | {
            "PYTHONPATH": str(tmp_path),
            "VOICE_HOST_ASSEMBLYAI_WS_URL": stt.url,
            "ASSEMBLYAI_TTS_WSS_URL": tts.url,
            "VOICE_HOST_LLM_BASE_URL": llm.base_url,
            "VOICE_HOST_MODEL": "test-model",
        }
        logged, shown = await _run(tmp_path, environ)
        shown += await _output_of(tmp_path, environ, "config")
    for event in ("agent_broken", "callback_failed", "call_error", "logged in with ********"):
        assert event in logged
    assert "stt_auth" in shown
    assert "model_auth" in shown
    for secret in (*SECRETS.values(), "planted-crm-token", "planted-call-token"):
        assert secret not in logged + shown, secret
    assert WORDS not in logged


async def _run(folder: Path, environ: dict[str, str]) -> tuple[str, str]:
    """Serve, be called, and end. Returns what the process wrote, and what it answered."""
    host = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "voice_host", "serve", "--port", "0"),
        cwd=folder,
        env=environ,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        limit=1 << 20,
    )
    assert host.stdout is not None
    logged = ""
    try:
        async with asyncio.timeout(60):
            while '"serving"' not in logged.rpartition("\n{")[2]:
                line = (await host.stdout.readline()).decode()
                assert line, logged
                logged += line
        address = json.loads(logged.splitlines()[-1])["url"].removeprefix("http://")
        shown = await _called(address) + await _asked(address)
    finally:
        if host.returncode is None:
            host.terminate()
        logged += (await host.stdout.read()).decode()
        await host.wait()
    return logged, shown


async def _called(address: str) -> str:
    url = f"ws://{address}/agents/leaky/session?token=planted-call-token"
    options = {"subprotocols": ["voice-host.v1", "voice-host.token.planted-call-token"]}
    async with calling(url, **options) as caller:
        await caller.expect("error", code="stt_auth")
        await caller.type(WORDS)
        await caller.expect("error", code="model_auth")
        await caller.expect("metrics")
        await caller.ws.send("{ no json")
        await caller.expect("error", code="bad_message")
    frames = [{**frame, "pcm": None} for frame in caller.frames]
    return json.dumps(frames).replace(WORDS, "")


async def _asked(address: str) -> str:
    async with httpx.AsyncClient(base_url=f"http://{address}") as client:
        answers = [await client.get(path) for path in ("/", "/agents", "/ready", "/health", "/metrics", "/nothing")]
    return "".join(f"{answer.headers} {answer.text}" for answer in answers)


async def _output_of(folder: Path, environ: dict[str, str], verb: str) -> str:
    done = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "voice_host", verb),
        cwd=folder,
        env=environ,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    return (await done.communicate())[0].decode()
