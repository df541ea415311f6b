"""Nothing that a host emits in a run full of faults holds a secret: logs, answers, frames, metrics, `config`."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path

import httpx2
import pytest
from typer.testing import CliRunner
from websockets.typing import Subprotocol

from tests.calls.client import calling
from tests.front.test_authorization import bearer, key_for
from tests.sample_plugins import plugin_folder
from tests.simulators.assemblyai import AssemblyAISimulator
from tests.simulators.gateway import GatewaySimulator
from tests.simulators.orpheus import OrpheusSimulator
from voice_host.auth.key_file import KeyFile
from voice_host.cli.commands import app

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
[auth]
keys_file = "keys.json"
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


async def test_a_run_full_of_faults_shows_no_secret_and_logs_no_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "voice-host.toml").write_text(FILE, encoding="utf-8")
    with plugin_folder(tmp_path) as plugins:
        plugins.install("leaky", AGENT)
        plugins.install("broken", AGENT)
    keys = [key_for(tmp_path, "calls", "tokens", "metrics"), key_for(tmp_path, "calls")]
    KeyFile(tmp_path / "keys.json").revoke(keys[1].split("_")[1])
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
        logged, shown, credentials = await _run(tmp_path, environ, *keys)
        for options in ([], ["--json"]):
            shown += await _output_of(tmp_path, environ, "check", *options)
            for verb in (["config"], ["keys", "list"]):
                command = [*verb, *options]
                done = await asyncio.to_thread(CliRunner().invoke, app, command, env=environ, prog_name="voice-host")
                assert done.exit_code == 0, done.output
                shown += done.output
    for event in ("agent_broken", "callback_failed", "call_error", "call_refused", "logged in with ********"):
        assert event in logged
    assert "stt_auth" in shown
    assert "model_auth" in shown
    assert "cannot log in with ********" in shown, "`check` tells what the agent said"
    credentials += [key.split("_", 2)[2] for key in keys]
    credentials += [(tmp_path / "keys.json.token-secret").read_text().strip()]
    for secret in (*SECRETS.values(), "planted-crm-token", "planted-call-token", *credentials):
        assert secret not in logged + shown, secret
    assert WORDS not in logged


async def _run(folder: Path, environ: dict[str, str], key: str, revoked: str) -> tuple[str, str, list[str]]:
    """Serve, be called, and end. Returns what the process wrote, what it answered, and what opened its doors."""
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
        tokens = await _minted(address, key)
        shown = await _refused(address, revoked, f"{key}x", f"{tokens[0]}x", "planted-call-token")
        in_vain, credentials = await _called(address, tokens)
        shown += in_vain + await _asked(address, key)
    finally:
        if host.returncode is None:
            host.terminate()
        logged += (await host.stdout.read()).decode()
        await host.wait()
    return logged, shown, [key, revoked, *credentials]


async def _minted(address: str, key: str) -> list[str]:
    async with httpx2.AsyncClient(base_url=f"http://{address}", headers=bearer(key)) as client:
        wanted = {"single_use": True, "subject": "ada", "metadata": {"name": "Ada"}}
        answers = [await client.post("/agents/leaky/tokens", json=wanted) for _ in range(2)]
    return [str(answer.json()["token"]) for answer in answers]


async def _refused(address: str, *credentials: str) -> str:
    """Knock in vain, in every way there is. Returns what was said."""
    url, said = f"ws://{address}/agents/leaky/session", ""
    for credential in credentials:
        offered = [Subprotocol("voice-host.v1"), Subprotocol(f"voice-host.token.{credential}")]
        for where, options in (
            (url, {"additional_headers": bearer(credential)}),
            (url, {"subprotocols": offered}),
            (f"{url}?token={credential}", {}),
        ):
            async with calling(where, **options) as caller:  # type: ignore[arg-type]
                code, reason = await caller.ended()
                assert code == 4401
                said += f"{caller.ws.response} {reason}"
        async with httpx2.AsyncClient(base_url=f"http://{address}") as client:
            answer = await client.get("/metrics", params={"token": credential}, headers=bearer(credential))
            said += f"{answer.status_code} {answer.headers} {answer.text}"
    return said


async def _called(address: str, tokens: list[str]) -> tuple[str, list[str]]:
    """Call, be cut off, come back, and try both tokens again. Returns what was said, and all tokens there were."""
    url = f"ws://{address}/agents/leaky/session"
    offered = [Subprotocol("voice-host.v1"), Subprotocol(f"voice-host.token.{tokens[0]}")]
    async with calling(url, subprotocols=offered) as first:
        resume = str((await first.expect("ready"))["resume_token"])
        first.ws.transport.abort()
    said = ""
    async with calling(f"{url}?token={tokens[1]}&resume={resume}") as caller:
        again = await caller.expect("ready", resumed=True)
        await caller.expect("error", code="stt_auth")
        await caller.type(WORDS)
        await caller.expect("error", code="model_auth")
        await caller.expect("metrics")
        await caller.ws.send("{ no json")
        await caller.expect("error", code="bad_message")
        said += await _refused(address, *tokens)
    # The caller is given its own resume token, and hears its own words.
    frames = [{**frame, "pcm": None} for frame in caller.frames if frame is not again]
    said += json.dumps(frames).replace(WORDS, "") + str(caller.ws.response)
    return said, [*tokens, resume, str(again["resume_token"])]


async def _asked(address: str, key: str) -> str:
    async with httpx2.AsyncClient(base_url=f"http://{address}", headers=bearer(key)) as client:
        answers = [await client.get(path) for path in ("/", "/agents", "/ready", "/health", "/metrics", "/nothing")]
    return "".join(f"{answer.headers} {answer.text}" for answer in answers)


async def _output_of(folder: Path, environ: dict[str, str], *arguments: str) -> str:
    done = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "voice_host", *arguments),
        cwd=folder,
        env=environ,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    return (await done.communicate())[0].decode()
