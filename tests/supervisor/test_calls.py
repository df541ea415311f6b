"""Whole calls of `voice-host serve` in worker processes."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import pytest

from tests.environments import make_environment
from tests.sample_plugins import PluginFolder
from tests.supervisor.hosts import QUIET, TELLING, ask, greeting, message, serving

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


def test_an_agent_of_another_environment(tmp_path: Path) -> None:
    environment = make_environment(tmp_path / "night")
    environment.install_extension("quiet", QUIET)  # whose speech services this host uses
    code = TELLING.replace("{}\n", "{'prefix': __import__('sys').prefix}\n", 1)
    environment.install("night-desk", code)
    settings = '[agent.night-desk]\nenvironment = "night"\n'
    agents = {"telling": TELLING}
    with serving(tmp_path, settings, agents, "--agents", "telling,night-desk") as host:
        with host.call("night-desk") as call:
            told = greeting(call)
            assert told["settings"]["prefix"] == str(tmp_path / "night")
            assert ask(call) == told["pid"]
        with host.call() as call:
            ask(call)
        assert {agent["id"]: agent["status"] for agent in host.get("/agents")} == {
            "night-desk": "ready",
            "telling": "ready",
        }


def test_an_environment_that_is_gone_breaks_its_agent_alone(tmp_path: Path) -> None:
    settings = '[agent.night-desk]\nenvironment = "night"\n'
    with serving(tmp_path, settings, None, "--agents", "telling,night-desk") as host:
        found = {agent["id"]: agent for agent in host.get("/agents")}
        assert found["telling"]["status"] == "ready"
        assert found["night-desk"]["status"] == "broken"
        assert "does not exist" in found["night-desk"]["error"]


OBSERVING = """
import os
from pathlib import Path
from voice_host_sdk import SessionObserver, extensionimpl

class Observer(SessionObserver):
    def __init__(self, file): self.file = file
    def note(self, session, event, *more):
        with open(self.file, "a") as file:
            print(os.getpid(), event, session.agent_id, *more, file=file)
    async def on_startup(self): self.note(type("", (), {"agent_id": "all"}), "startup")
    async def on_session_created(self, session): self.note(session, "created")
    async def on_user_turn(self, session, turn): self.note(session, "turn", turn.typed, turn.text)
    async def on_tool_call(self, session, call): self.note(session, "tool", call.name, dict(call.arguments), call.ok)
    async def on_agent_reply(self, session, reply): self.note(session, "reply", reply.reply, reply.interrupted)
    async def on_session_destroyed(self, session, end): self.note(session, "destroyed", end.reason, end.turns)

@extensionimpl
def session_observer(settings):
    return Observer(settings["notes"])
"""


def test_observers_are_in_the_front(tmp_path: Path) -> None:
    noted = tmp_path / "noted.txt"
    plugins = PluginFolder(tmp_path)
    plugins.install_extension("observing", OBSERVING)
    with serving(tmp_path, f'[extension.observing]\nnotes = "{noted}"\n') as host:
        with host.call() as call:
            greeting(call)
            message(call, "metrics")  # it was played to its end
            ask(call)
            message(call, "metrics")
        host.process.signal(signal.SIGTERM)
        assert host.process.ended() == 0
        lines = [line.split(maxsplit=1) for line in noted.read_text(encoding="utf-8").splitlines()]
    assert {int(pid) for pid, _ in lines} == {host.process.pid}, "the workers do not load it"
    assert [line for _, line in lines] == [
        "startup all",
        "created telling",
        "reply telling 1 False",
        "turn telling True What are your opening hours on Friday?",
        "tool telling opening_hours {'day': 'Friday'} True",
        "reply telling 2 False",
        "destroyed telling goodbye 1",
    ]
