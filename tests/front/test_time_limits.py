"""What `[server]`, `[agents]` and `[resilience]` say reaches what it is about, in a host as `serve` runs it."""

import json
import logging
from pathlib import Path
from typing import Any

import pytest

from tests.calls.client import calling
from tests.front.hosting import COUNTING, installed, running
from voice_host.call import call, handler
from voice_host.front.app import create_host_app
from voice_host.front.process import HostServer

LIMITS = """
[server]
start_timeout_s = 0.05
stop_timeout_s = 0.07
[agents]
callback_timeout_s = 0.06
[resilience]
microphone_buffer_s = 2
playout_buffer_s = 3
"""


@pytest.mark.parametrize(
    ("event", "callback", "seconds"), [("startup", "on_startup", "0.05"), ("shutdown", "on_shutdown", "0.07")]
)
async def test_an_agent_that_takes_too_long_to_start_or_stop_is_given_up(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, event: str, callback: str, seconds: str
) -> None:
    caplog.set_level(logging.INFO, logger="voice_host")
    with installed(tmp_path) as plugins:
        plugins.install("slow", COUNTING.replace(f'await self.note("{event}")', "await asyncio.Event().wait()"))
        toml = f"{LIMITS}\n[agent.slow.settings]\nfolder = {json.dumps(str(tmp_path))}"
        async with running(tmp_path, toml, allow="slow") as r:
            assert (r.reports[0].status == "broken") == (event == "startup")
    said = "\n".join(str(record.__dict__) for record in caplog.records)
    assert f"{callback} took longer than {seconds} s" in said


async def test_the_buffers_of_a_call_are_as_long_as_the_settings_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: dict[str, float] = {}

    def microphone(sample_rate: int, buffer_s: float, *arguments: Any) -> Any:
        made["microphone"] = buffer_s
        return real[0](sample_rate, buffer_s, *arguments)

    def playout(*arguments: Any, buffer_s: float, **options: Any) -> Any:
        made["playout"] = buffer_s
        return real[1](*arguments, buffer_s=buffer_s, **options)

    real: Any = handler.MicrophoneBuffer, call.Playout
    monkeypatch.setattr(handler, "MicrophoneBuffer", microphone)
    monkeypatch.setattr(call, "Playout", playout)
    with installed(tmp_path) as plugins:
        plugins.install("one", COUNTING)
        toml = f"{LIMITS}\n[agent.one.settings]\nfolder = {json.dumps(str(tmp_path))}"
        async with running(tmp_path, toml, allow="one") as r, calling(r.session("one")) as caller:
            await caller.expect("greeting")
            http = HostServer(create_host_app(r.agents, r.settings), r.agents, r.settings)
            assert http.config.timeout_graceful_shutdown == 1  # whole seconds: never less than was asked for
    assert made == {"microphone": 2, "playout": 3}
