"""Releases of agents that are launched, routed, retired, restarted and reloaded under calls."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from tests.supervisor.fleet import ask, fleet, greeting, message, settings_of
from tests.supervisor.hosts import TELLING
from voice_host.releases.release import Routing
from voice_host.supervisor.release_fleet import ReleaseFailed

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="workers are processes of Linux"),
    pytest.mark.real_time,
]

BROKEN = "raise RuntimeError('the database is gone')"


async def test_a_new_release_takes_new_calls_and_the_old_one_ends_with_its_sessions(tmp_path: Path) -> None:
    async with asyncio.timeout(60), fleet(tmp_path) as host:
        async with host.call() as old, host.call() as parked:
            before = await ask(old)
            token = (await message(parked, "ready"))["resume_token"]
            await ask(parked)
            parked.transport.abort()
            report = await host.agents.launch(host.release(name="2.0.0"))
            assert report.status == "ready"
            async with host.call() as call:
                assert await ask(call) == before, "not routed yet"
            host.agents.route("telling", Routing(traffic={"2.0.0": 100}))
            retired = asyncio.create_task(host.agents.retire("telling", "1.2.3"))
            async with host.call() as new:
                after = await ask(new)
                assert after != before
                assert await ask(old) == before
                await old.close()
                async with host.call(resume=token) as again:
                    ready = await message(again, "ready")
                    assert ready["resumed"]
                    assert await ask(again) == before, "a parked session resumes where it is"
                    assert not retired.done()
                await retired
                assert host.pids() == [after]
                assert await ask(new) == after
        assert [release.name for release in host.agents.report.agents["telling"].releases] == ["2.0.0"]


async def test_a_release_that_does_not_start_changes_nothing(tmp_path: Path) -> None:
    async with asyncio.timeout(60), fleet(tmp_path) as host:
        before = host.pids()
        with pytest.raises(ReleaseFailed) as failed:
            await host.agents.launch(host.release(name="2.0.0", entry_point="no_such_module"))
        assert failed.value.report.phase == "imported"
        assert "no_such_module" in str(failed.value)
        assert host.pids() == before
        assert host.agents.report.agents["telling"].status == "ready"
        async with host.call() as call:
            assert await ask(call) in before


async def test_a_restart_replaces_all_workers_without_dropping_a_call(tmp_path: Path) -> None:
    async with asyncio.timeout(60), fleet(tmp_path, "[agent.telling]\nworkers = 2\n") as host:
        before = host.pids()
        assert len(before) == 2
        async with host.call() as call:
            pid = await ask(call)
            await host.agents.restart("telling")
            assert await ask(call) == pid
            async with host.call() as another:
                assert await ask(another) not in before
        with pytest.raises(KeyError):
            await host.agents.restart("nobody")


async def test_a_broken_agent_is_one_among_others(tmp_path: Path) -> None:
    async with asyncio.timeout(60), fleet(tmp_path, "", {"telling": TELLING, "broken": BROKEN}) as host:
        report = host.agents.report.agents["broken"]
        assert (report.status, report.phase) == ("broken", "imported")
        assert report.error
        assert report.error.endswith("RuntimeError: the database is gone")
        assert report.where
        assert report.where.startswith("throw_away_agent")
        with pytest.raises(ReleaseFailed):
            await host.agents.restart("broken")
        async with host.call() as call:
            await ask(call)


async def test_new_settings_of_an_agent_need_no_restart_of_the_host(tmp_path: Path) -> None:
    agents = {"telling": TELLING, "other": TELLING}
    async with asyncio.timeout(60), fleet(tmp_path, '[agent.telling.settings]\ncolour = "red"\n', agents) as host:
        unchanged = host.pids("other")
        async with host.call() as call:
            assert (await greeting(call))["settings"] == {"colour": "red"}
            new = await asyncio.to_thread(settings_of, tmp_path, '[agent.telling.settings]\ncolour = "blue"\n', agents)
            await host.agents.reload(new)
            async with host.call() as another:
                assert (await greeting(another))["settings"] == {"colour": "blue"}
            await ask(call)
        assert host.pids("other") == unchanged


async def test_many_agents(tmp_path: Path) -> None:
    agents = {f"agent-{number}": TELLING for number in range(12)}
    async with asyncio.timeout(60), fleet(tmp_path, "", agents) as host:
        pids = [host.pids(agent_id) for agent_id in agents]
        assert len({pid for [pid] in pids}) == len(agents)
        async with host.call("agent-7") as call:
            assert [await ask(call)] == pids[7]
