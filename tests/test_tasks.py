"""Background work that fails is logged and counted, and nothing else stops for it. On the event loop of the host."""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import REGISTRY

from tests.conversation.models import ScriptedModel
from tests.sample_plugins import plugin_folder
from voice_host.conversation.voice_agent import VoiceAgent
from voice_host.dev.channel import ServeRequest
from voice_host.dev.process import Child
from voice_host.sessions.manager import VoiceAgentManager
from voice_host.sessions.sweeper import Sweeper
from voice_host.tasks import in_background, report_unhandled
from voice_host.tenancy.event_loop import run_in_event_loop
from voice_host_sdk import LifecycleCallbacks, Session, SessionEnd

SECRET = "what the caller said"


def failures(task: str) -> float:
    return REGISTRY.get_sample_value("voice_host_background_failures_total", {"agent": "", "task": task}) or 0.0


def on_the_hosts_loop(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    async def run() -> None:
        asyncio.get_running_loop().set_exception_handler(report_unhandled)
        async with asyncio.timeout(60):
            await main()

    run_in_event_loop(run())


async def fail() -> None:
    raise ValueError(SECRET)


@pytest.mark.fault("process: background work fails")
def test_background_work_that_fails_is_logged_and_counted(caplog: pytest.LogCaptureFixture) -> None:
    before = failures("close-socket")

    async def main() -> None:
        task = in_background(fail(), "close-socket", of="one")
        assert task.get_name() == "close-socket-one"
        await asyncio.wait([task])
        await asyncio.sleep(0)
        stopped = in_background(asyncio.sleep(60), "close-socket")
        stopped.cancel()
        await asyncio.wait([stopped])

    on_the_hosts_loop(main)
    [record] = [record for record in caplog.records if record.name == "voice_host.tasks"]
    assert (record.getMessage(), record.__dict__["task"], record.__dict__["of"]) == (
        "background_task_failed",
        "close-socket",
        "one",
    )
    assert record.exc_info
    assert failures("close-socket") == before + 1


def callback() -> None:
    asyncio.get_running_loop().call_soon(lambda words: 1 / 0, SECRET)


def task() -> None:
    asyncio.get_running_loop().create_task(fail())


def future() -> None:
    asyncio.get_running_loop().create_future().set_exception(ValueError(SECRET))


@pytest.mark.fault("process: background work fails")
@pytest.mark.parametrize("go_wrong", [callback, task, future])
def test_what_nobody_handles_is_logged_without_words_of_callers(
    go_wrong: Callable[[], None], caplog: pytest.LogCaptureFixture
) -> None:
    before = failures("")

    async def main() -> None:
        go_wrong()
        await asyncio.sleep(0.01)
        gc.collect()
        await asyncio.sleep(0.01)

    on_the_hosts_loop(main)
    [record] = [record for record in caplog.records if record.name == "voice_host.tasks"]
    assert record.getMessage() == "unhandled_error"
    assert record.exc_info
    # The traceback is the formatter's to shorten; asyncio's own handler puts the words into the message as well.
    assert SECRET not in str({name: value for name, value in record.__dict__.items() if not name.startswith("exc_")})
    assert failures("") == before + 1


def test_a_sweep_that_fails_is_not_the_last() -> None:
    before, sweeps = failures("sweeper"), 0

    async def sweep() -> None:
        nonlocal sweeps
        sweeps += 1
        if sweeps < 3:
            raise ValueError(SECRET)
        done.set()

    done = asyncio.Event()

    async def main() -> None:
        sweeper = Sweeper("desk", 0.01, sweep)
        sweeper.start()
        await done.wait()
        await sweeper.stop()

    on_the_hosts_loop(main)
    assert failures("sweeper") == before + 2


def test_a_session_whose_agent_cannot_be_closed_ends_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    ends: list[str] = []

    class Callbacks(LifecycleCallbacks):
        async def on_session_destroyed(self, session: Session, end: SessionEnd) -> None:
            ends.append(session.id)

    async def cannot(self: VoiceAgent) -> None:
        raise RuntimeError(SECRET)

    monkeypatch.setattr(VoiceAgent, "aclose", cannot)
    before = failures("end")

    async def main() -> None:
        manager = VoiceAgentManager(runtime=ScriptedModel().runtime(), callbacks=Callbacks())
        for session_id in ("a", "b"):
            await manager.get_or_create(session_id)
        assert await manager.remove("a")
        await manager.aclose_all()

    on_the_hosts_loop(main)
    assert ends == ["a", "b"]
    assert failures("end") == before + 2


@pytest.mark.skipif(os.name == "nt", reason="uvloop")
def test_a_child_that_is_dead_takes_its_order_and_its_leave(tmp_path: Path) -> None:
    async def main() -> None:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", "pass", stdin=asyncio.subprocess.PIPE, start_new_session=True
        )
        await process.wait()
        child = Child(process)
        for _ in range(20):
            child.serve(ServeRequest(str(tmp_path), None, 3))
            await asyncio.sleep(0)
        await child.stop()
        child.serve(ServeRequest(str(tmp_path), None, 3))
        assert await child.wait() == 0

    on_the_hosts_loop(main)


STRAY = """
import asyncio
from voice_host_sdk import AgentConfig, LifecycleCallbacks, hookimpl

class Callbacks(LifecycleCallbacks):
    async def on_startup(self):
        asyncio.get_running_loop().call_later(0.01, self.stray, "SECRET")
    def stray(self, words):
        raise ValueError(words)

@hookimpl
def agent_config(settings):
    return AgentConfig()

@hookimpl
def lifecycle_callbacks(settings):
    return Callbacks()
"""


@pytest.mark.skipif(os.name == "nt", reason="signals")
def test_the_served_process_reports_what_nobody_handles(tmp_path: Path) -> None:
    with plugin_folder(tmp_path) as plugins:
        plugins.install("stray", STRAY.replace("SECRET", SECRET))
        command = [sys.executable, "-m", "voice_host", "serve", "--port", "0", "--log-format", "json"]
        environ = {**os.environ, "PYTHONPATH": str(tmp_path), "VOICE_HOST_AGENTS__ALLOW": "stray"}
        with subprocess.Popen(
            command, cwd=tmp_path, env={**environ, "VOICE_HOST_MODEL": "demo"}, stderr=subprocess.PIPE, text=True
        ) as host:
            assert host.stderr is not None
            lines = []
            try:
                for line in host.stderr:
                    lines.append(line)
                    if "unhandled_error" in line:
                        break
                host.send_signal(signal.SIGTERM)
                rest = host.stderr.read()
                assert host.wait(60) == 0, lines
            finally:
                host.kill()
    told = json.loads(lines[-1])
    assert (told["event"], told["level"]) == ("unhandled_error", "error")
    assert "ValueError" in told["exception"]
    assert SECRET not in "".join(lines) + rest


def test_no_other_log_says_it_again(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        task()
        await asyncio.sleep(0)
        gc.collect()

    on_the_hosts_loop(main)
    assert [record.name for record in caplog.records if record.levelno >= logging.ERROR] == ["voice_host.tasks"]
