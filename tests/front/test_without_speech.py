"""A host on a machine where embedded speech cannot run, and no key is set: typing works, and it says why."""

from __future__ import annotations

import io
from pathlib import Path

import httpx2
import pytest
from rich.console import Console

from tests.calls.client import calling
from tests.front.hosting import COUNTING, installed, running
from tests.speech.embedded.absent import without_engines
from voice_host.front.banner import print_banner
from voice_host.front.routes import listed

NO_KEYS = {"ASSEMBLYAI_API_KEY": "", "ASSEMBLYAI_TTS_API_KEY": ""}


async def test_callers_can_type_and_everybody_is_told_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without_engines(monkeypatch)
    toml = f'[agent.counting.settings]\nfolder = "{tmp_path}"\n'
    with installed(tmp_path) as plugins:
        plugins.install("counting", COUNTING)
        async with running(tmp_path, toml, allow="counting", environ=NO_KEYS) as r:
            async with httpx2.AsyncClient(base_url=f"http://{r.address}") as http:
                [agent] = (await http.get("/agents")).json()
            assert agent["status"] == "ready"
            assert agent["providers"] == {"stt": "none", "tts": "none", "model": "demo"}
            problem = agent["speech_problem"]
            assert "hibari, moonshine_voice, onnxruntime" in problem
            assert 'install "voice-host[embedded]"' in problem
            assert "ASSEMBLYAI_API_KEY" in problem

            shown = io.StringIO()
            print_banner(r.agents.report, "http://localhost:8000", Console(file=shown, width=10_000))
            assert problem in shown.getvalue()
            assert "Demo speech" not in shown.getvalue()

            async with calling(r.session("counting")) as caller:
                await caller.expect("error", code="tts_unavailable")
                await caller.expect("error", code="stt_unavailable")
                await caller.type("when do you open on friday")
                await caller.expect("chat", text="On Friday we open at nine.")
                await caller.type("and on monday?")
                await caller.expect("chat", text="On Monday we open at nine.")


@pytest.mark.usefixtures("embedded_speech")
async def test_a_host_with_speech_has_no_such_word(tmp_path: Path) -> None:
    toml = f'[agent.counting.settings]\nfolder = "{tmp_path}"\n'
    with installed(tmp_path) as plugins:
        plugins.install("counting", COUNTING)
        async with running(tmp_path, toml, allow="counting", environ=NO_KEYS) as r:
            shown = listed(r.reports[0])
            assert shown["providers"] == {"stt": "embedded", "tts": "embedded", "model": "demo"}
            assert "speech_problem" not in shown
