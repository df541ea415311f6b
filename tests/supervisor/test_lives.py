"""Which worker gets a call, and when workers leave."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from websockets.sync.client import ClientConnection

from tests.front.test_process import DEADLINE_S, told
from tests.sample_plugins import plugin_folder
from tests.supervisor.hosts import PROVIDERS, TELLING, ask, greeting, install, message, serving

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="workers are processes of Linux")


def has_ended(pid: int) -> bool:
    """Wait for the end of a process."""
    try:
        process = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([process], [], [], DEADLINE_S)[0])
    finally:
        os.close(process)


def lose(call: ClientConnection) -> None:
    """Let the connection break without a close frame."""
    call.socket.shutdown(2)
    call.close()


def test_a_call_goes_to_the_worker_with_fewest(tmp_path: Path) -> None:
    with serving(tmp_path, "[agent.telling]\nworkers = 2\n") as host:
        with host.call() as first, host.call() as second, host.call() as third, host.call() as fourth:
            pids = [greeting(call)["pid"] for call in (first, second, third, fourth)]
        assert sorted(Counter(pids).values()) == [2, 2]


def test_a_caller_who_comes_back_gets_the_worker_that_has_the_session(tmp_path: Path) -> None:
    settings = "[agent.telling]\nworkers = 2\n"
    with serving(tmp_path, settings) as host, host.call() as call, host.call() as other, host.call() as third:
        token = message(call, "ready")["resume_token"]
        pid, others = ask(call), greeting(other)["pid"]
        assert greeting(third)["pid"] == pid
        other.close()
        assert others != pid  # and has no call now, so that a new call would go there
        lose(call)
        for _ in range(2):
            with host.call(resume=token) as again:
                ready = message(again, "ready")
                assert ready["resumed"]
                assert ask(again) == pid
                used, token = token, ready["resume_token"]
                lose(again)
        with host.call(resume=used) as refused:
            assert told(refused) == []
            assert refused.close_code == 4401


def test_signals_to_a_worker_end_no_call(tmp_path: Path) -> None:
    """Service managers send them to all processes of the host."""
    with serving(tmp_path) as host, host.call() as call:
        pid = greeting(call)["pid"]
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            os.kill(pid, number)
        assert ask(call) == pid


def test_ctrl_c_lets_calls_go_on_within_the_drain_timeout(tmp_path: Path) -> None:
    """A terminal sends it to the whole group: the front and the zygote, and the workers, if they were in it."""
    with serving(tmp_path, "[server]\ndrain_timeout_s = 600\n") as host, host.call() as call:
        pid = greeting(call)["pid"]
        os.killpg(host.process.pid, signal.SIGINT)
        assert message(call, "error")["code"] == "draining"
        assert ask(call) == pid
        call.close()
        assert host.process.ended() == 0


def test_a_worker_whose_front_is_gone_ends_its_calls_in_order_and_leaves(tmp_path: Path) -> None:
    with serving(tmp_path, "[server]\ndrain_timeout_s = 600\n") as host, host.call() as call:
        pid = greeting(call)["pid"]
        host.process.signal(signal.SIGKILL)
        assert message(call, "error")["code"] == "draining"
        assert ask(call) == pid
        call.close()
        assert has_ended(pid)


def test_workers_leave_with_the_host(tmp_path: Path) -> None:
    with serving(tmp_path, "[server]\ndrain_timeout_s = 0\n") as host, host.call() as call:
        pid = greeting(call)["pid"]
        host.process.signal(signal.SIGTERM)
        assert told(call) == [("draining", True)]
        assert call.close_code == 4504
        assert host.process.ended() == 0
        assert has_ended(pid)
        assert "worker_killed" not in host.process.output


def test_the_front_does_not_load_the_agent_runtime(tmp_path: Path) -> None:
    script = (
        "import sys, signal, voice_host.front.run as run\n"
        "from voice_host.cli import main\n"
        "run._say_started = lambda *_: signal.raise_signal(signal.SIGINT)\n"
        "try: main()\n"
        "finally: print('LOADED', sorted({name.partition('.')[0] for name in sys.modules}))"
    )
    with plugin_folder(tmp_path) as plugins:
        install(plugins, {"telling": TELLING})
        (tmp_path / "voice-host.toml").write_text(PROVIDERS, encoding="utf-8")
        done = subprocess.run(
            [sys.executable, "-c", script, "serve", "--port", "0", "--agents", "telling"],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(tmp_path)},
            capture_output=True,
            text=True,
            timeout=DEADLINE_S,
        )
    assert done.returncode == 0, done.stderr
    assert "'fastapi'" in done.stdout
    assert "'pydantic_ai'" not in done.stdout
    assert "'numpy'" not in done.stdout
    assert plugins.modules[1] not in done.stdout, "the agent's own code"
