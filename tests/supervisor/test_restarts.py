"""Workers that are started again, agents that are given up, and a zygote that ends. Real processes."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed

from tests.front.test_process import DEADLINE_S, get
from tests.processes import is_running
from tests.supervisor.hosts import TELLING, Host, ask, greeting, message, serving
from tests.supervisor.test_failures import SICK
from voice_host.clients.close_codes import CloseCode
from voice_host.fleet.report import AgentReport
from voice_host.releases.release import Release
from voice_host.supervisor.group import Group
from voice_host.supervisor.release_fleet import ReleaseFailed
from voice_host.supervisor.restart_policy import RestartLimits
from voice_host.supervisor.spawn import CannotSpawn

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="workers are processes of Linux")

IMPATIENT = """
import functools
import voice_host.supervisor.service as service
from voice_host.cli import main
from voice_host.supervisor.restart_policy import RestartLimits

service.build = functools.partial(service.build, restarts=RestartLimits(first_s=0.01, max_s=0.01, failures=3))
main()
"""
"""A host that gives up after three failures, and does not wait long before."""


def listed(host: Host, agent_id: str) -> dict[str, Any]:
    """The agent in the list of agents."""
    return next(agent for agent in host.get("/agents") if agent["id"] == agent_id)


def voice_host(host: Host, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command for the host, as its operator on the same machine."""
    command = [sys.executable, "-m", "voice_host", *arguments]
    return subprocess.run(command, cwd=host.folder, capture_output=True, text=True, timeout=DEADLINE_S, check=False)


def until(condition: Any) -> None:
    """Wait until a condition holds."""
    deadline_s = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline_s
        time.sleep(0.02)


@pytest.mark.fault("worker: fails again and again")
def test_an_agent_that_fails_again_and_again_is_broken(tmp_path: Path) -> None:
    agents = {"sick": SICK, "telling": TELLING}
    with serving(tmp_path, "", agents, command=("-c", IMPATIENT)) as host, host.call("telling") as other:
        pid = greeting(other)["pid"]
        for _ in range(3):
            with host.call("sick", fail="leave") as call:
                greeting(call)
                with pytest.raises(ConnectionClosed):
                    ask(call)
        until(lambda: listed(host, "sick")["status"] == "broken")
        error = "its worker processes failed 3 times within 10 min; the last one: it ended with exit code 3"
        assert listed(host, "sick")["error"] == error
        assert "voice-host restart sick" in listed(host, "sick")["hint"]
        with host.call("sick") as refused:
            with pytest.raises(ConnectionClosed):
                message(refused, "ready")
            assert refused.close_code == CloseCode.AGENT_BROKEN
        assert 'voice_host_agent_broken{agent="sick"} 1.0' in get(host.port, "/metrics")
        host.process.until("agent_broken")
        assert error in host.process.output
        assert voice_host(host, "restart", "sick").stdout.startswith("sick: 1 new worker takes its calls")
        with host.call("sick") as call:
            ask(call)
        assert 'voice_host_agent_broken{agent="sick"} 0.0' in get(host.port, "/metrics")
        assert ask(other) == pid


def test_a_restart_by_hand_drops_no_call(tmp_path: Path) -> None:
    with serving(tmp_path, "[agent.telling]\nworkers = 2\n") as host, host.call() as call:
        pid = greeting(call)["pid"]
        old = {worker["pid"] for worker in listed(host, "telling")["releases"][0]["workers"]}
        assert voice_host(host, "restart", "telling").stdout.startswith("telling: 2 new workers take its calls")
        with host.call() as second, host.call() as third:
            assert not {greeting(second)["pid"], greeting(third)["pid"]} & old
        until(lambda: sum(map(is_running, old)) == 1)  # the one without calls has left
        assert ask(call) == pid
        call.close()
        until(lambda: not is_running(pid))
        refused = voice_host(host, "restart", "nobody")
        assert refused.returncode == 2
        assert "there is no agent 'nobody'" in refused.stderr


def test_a_worker_that_was_started_afresh_is_watched_the_same(tmp_path: Path) -> None:
    """As those of agents in environments of their own are: no zygote reports its end."""
    settings = '[sessions]\nresume_grace_s = 0\n[agent.sick]\nhang_s = 1\nlauncher = ["env"]\n'
    with serving(tmp_path, settings, {"sick": SICK}) as host:
        with host.call("sick", fail="hold_the_gil") as call:
            pid = greeting(call)["pid"]
            with pytest.raises(ConnectionClosed):
                ask(call)
            assert call.close_code == CloseCode.INTERNAL_ERROR
        with host.call("sick") as again:
            assert greeting(again)["pid"] != pid
        assert not is_running(pid)
        host.process.until("worker_restarted")
        assert re.search("worker_ended.*in hold_the_gil", host.process.output)


@pytest.mark.fault("worker: refuses to stop")
def test_a_worker_that_refuses_to_stop_is_ended(tmp_path: Path) -> None:
    settings = "[server]\ndrain_timeout_s = 0\nstop_timeout_s = 1\n[agent.sick]\nhang_s = 600\n"
    (tmp_path / "refuse-to-stop").touch()
    with serving(tmp_path, settings, {"sick": SICK}) as host:
        with host.call("sick") as call:
            pid = greeting(call)["pid"]
        host.process.signal(signal.SIGTERM)
        assert host.process.ended() == 0
        assert not is_running(pid)
        assert "reason=stop" in host.process.output
        assert "in on_shutdown" in host.process.output


@pytest.mark.fault("worker: the zygote ends")
def test_workers_survive_the_zygote_and_are_started_by_another_one(tmp_path: Path) -> None:
    with serving(tmp_path) as host:
        with host.call() as call:
            pid = greeting(call)["pid"]
            zygote = int(subprocess.check_output(["ps", "-o", "ppid=", "-p", str(pid)]))
            os.kill(zygote, signal.SIGKILL)
            assert ask(call) == pid
            os.kill(pid, signal.SIGKILL)
            with pytest.raises(ConnectionClosed):
                message(call, "none")
        host.process.until("worker_restarted")
        with host.call() as again:
            second = greeting(again)["pid"]
            assert second != pid
            assert ask(again) == second
        assert re.search("worker_ended.*an unknown exit code", host.process.output)


@pytest.mark.fault("worker: ends before it has answered")
def test_a_caller_who_was_not_answered_gets_another_worker(tmp_path: Path) -> None:
    with serving(tmp_path, "[agent.telling]\nhang_s = 600\n") as host:
        with host.call() as call:
            pid = greeting(call)["pid"]
        os.kill(pid, signal.SIGSTOP)  # it gets the call, and does not answer
        killing = subprocess.Popen(
            [sys.executable, "-c", f"import os, time; time.sleep(1); os.kill({pid}, 9)"], stdin=subprocess.DEVNULL
        )
        with host.call() as call:
            assert greeting(call)["pid"] != pid
        killing.wait()


async def restarted(start: Any) -> Group:
    """Start a group of one worker, let that end, and wait until there is another, or the group has given up."""
    release = Release(agent_id="desk", name="1.0", distribution="desk", version="1.0", entry_point="desk")
    changed = asyncio.Event()
    limits = RestartLimits(first_s=0.001, max_s=0.001, failures=3)
    desk = Group(release, "production", 1, start, changed.set, limits)
    await desk.start()
    desk.workers.clear()
    desk.restart(1, "it ended with SIGSEGV", None)
    async with asyncio.timeout(DEADLINE_S):
        await changed.wait()
    return desk


class Started:
    """What a group needs of a worker."""

    pid = 1
    status = "ready"
    report = AgentReport(id="desk", status="ready")

    def retire(self) -> None:
        pass


@pytest.mark.fault("worker: no process or memory for a new one")
async def test_a_machine_without_room_for_a_process_is_no_failure_of_the_agent() -> None:
    attempts = 0

    async def start(*_: object) -> Any:
        nonlocal attempts
        attempts += 1
        if 1 < attempts <= 20:
            try:
                raise CannotSpawn("no process can be forked: Resource temporarily unavailable")
            except CannotSpawn as error:
                raise ReleaseFailed(AgentReport(id="desk", status="broken", error=str(error))) from error
        return Started()

    desk = await restarted(start)
    assert len(desk.workers) == 1
    assert attempts == 21
    assert desk.broken is None


async def test_an_agent_that_no_longer_starts_is_broken_for_the_reason_why() -> None:
    attempts = 0

    async def start(*_: object) -> Any:
        nonlocal attempts
        attempts += 1
        if attempts > 1:
            raise ReleaseFailed(
                AgentReport(id="desk", status="broken", error="the database is gone", where="desk.py:3")
            )
        return Started()

    desk = await restarted(start)
    assert desk.broken is not None
    assert "the last one: the database is gone" in str(desk.broken.error)
    assert desk.broken.where == "desk.py:3"
    assert not desk.is_empty, "it is reported as broken until somebody restarts or removes it"

    attempts = -10
    await desk.renew()
    assert desk.broken is None
    assert desk.report is Started.report


async def test_an_agent_that_was_given_up_can_be_removed() -> None:
    attempts = 0

    async def start(*_: object) -> Any:
        nonlocal attempts
        attempts += 1
        if attempts > 1:
            raise ReleaseFailed(AgentReport(id="desk", status="broken", error="the database is gone"))
        return Started()

    desk = await restarted(start)
    assert desk.broken is not None
    desk.retire()
    assert desk.is_empty
