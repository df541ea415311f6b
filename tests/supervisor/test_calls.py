"""Whole calls of `voice-host serve` in worker processes."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import pytest

from tests.supervisor.hosts import ask, greeting, message, serving

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="workers are processes of Linux")

NO_UVLOOP = "raise ImportError('switched off')"


@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
@pytest.mark.parametrize("start", ["forked", "executed"])
def test_a_call_is_answered_by_a_worker(tmp_path: Path, start: str, loop: str) -> None:
    settings = '[agent.telling]\nlauncher = ["env"]\n' if start == "executed" else ""
    if loop == "asyncio":
        (tmp_path / "uvloop.py").write_text(NO_UVLOOP, encoding="utf-8")
    with serving(tmp_path, settings) as host:
        with host.call(name="Ada", token="topsecret") as call:
            assert message(call, "ready")["agent"] == "telling"
            told = greeting(call)
            assert told["metadata"] == {"name": "Ada"}
            assert ask(call) == told["pid"]
            host.process.signal(signal.SIGSTOP)  # frames do not pass it
            try:
                assert ask(call) == told["pid"]
                call.send(b"\0" * 640)
                call.send('{"type": "ping"}')
                message(call, "pong")
            finally:
                host.process.signal(signal.SIGCONT)
        with host.call() as call:
            assert greeting(call)["pid"] == told["pid"]
        command = Path(f"/proc/{told['pid']}/cmdline").read_text(encoding="utf-8").split("\0")
        assert ("voice_host.workers.zygote" in command) == (start == "forked")
        host.process.signal(signal.SIGTERM)
        assert host.process.ended() == 0
        assert "topsecret" not in host.process.output
        assert "destroyed goodbye" in host.process.output
        assert "Traceback" not in host.process.output
