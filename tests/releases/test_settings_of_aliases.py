"""The settings of production and of an alias, read again while calls go on."""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.calls.client import TestCaller, calling
from tests.releases.hosts import DeployHost, deploying

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="workers are processes of Linux"),
    pytest.mark.real_time,
    pytest.mark.timeout(300),
]

TELLING = """
import json, os
from voice_host_sdk import AgentConfig, hookimpl

def opening_hours(day: str) -> str:
    \"\"\"Tell the opening hours of a day.\"\"\"
    return str(os.getpid())

@hookimpl
def agent_config(settings):
    if settings.get("fail"):
        raise OSError("no database")
    told = {"settings": dict(settings), "variables": sorted(os.environ), "pid": os.getpid()}
    return AgentConfig(greeting=json.dumps(told), tools=[opening_hours])
"""
"""Its greeting tells its settings and its variables, as JSON."""

SETTINGS = """
[agent.night-desk.settings]
crm_token = { env = "CRM_TOKEN" }
[agent.night-desk.alias.staging.settings]
crm_token = { file = "staging-token" }
"""


async def told(caller: TestCaller) -> dict[str, Any]:
    return dict(json.loads((await caller.expect("greeting", timeout_s=60))["text"]))


async def settings_of(host: DeployHost, agent: str) -> dict[str, Any]:
    async with calling(host.address(agent)) as caller:
        return dict((await told(caller))["settings"])


async def test_staging_has_its_own_settings_and_new_ones_reach_new_calls_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CRM_TOKEN", "of-production")
    (tmp_path / "staging-token").write_text("of-staging")
    file = tmp_path / "voice-host.toml"
    async with deploying(tmp_path, tmp_path / "cache", SETTINGS, {"night-desk": TELLING}) as host:
        for alias in ("staging", "canary"):
            await host.done("promote", "night-desk", "1.0", "--to", alias)
        async with calling(host.address("night-desk@staging")) as caller:
            staging = await told(caller)
        assert staging["settings"] == {"crm_token": "of-staging"}
        assert "CRM_TOKEN" not in staging["variables"]
        assert await settings_of(host, "night-desk@canary") == {}, "without a table, an alias has none"

        async with calling(host.address("night-desk")) as held:
            before = await told(held)
            assert before["settings"] == {"crm_token": "of-production"}
            (tmp_path / "staging-token").write_text("renewed")
            file.write_text(SETTINGS.replace('{ env = "CRM_TOKEN" }', '"written"') + "[limits]\nmax_calls = 7\n")
            reloaded = await host.done("reload", "--json")
            assert reloaded.json == {
                "changed": ["night-desk"],
                "taken_over": [],
                "needs_restart": ["limits.max_calls"],
            }
            assert await settings_of(host, "night-desk") == {"crm_token": "written"}
            assert await settings_of(host, "night-desk@staging") == {"crm_token": "renewed"}

            file.write_text(SETTINGS.replace("crm_token", "crm-token"))
            host.process.signal(signal.SIGHUP)
            await host.logged("settings_reloaded", 2)
            assert await settings_of(host, "night-desk") == {"crm-token": "of-production"}

            await held.type("What are your opening hours on Friday?")
            assert str(before["pid"]) in (await held.expect("chat", timeout_s=60))["text"], (
                "by the worker it began with"
            )
            assert held.closed is None


async def test_settings_that_cannot_be_used_change_nothing(tmp_path: Path) -> None:
    file = tmp_path / "voice-host.toml"
    good = "[agent.night-desk.settings]\nwho = 'ada'\n"
    async with deploying(tmp_path, tmp_path / "cache", good, {"night-desk": TELLING}) as host:
        file.write_text("[agent.night-desk]\nworkers = 0\n")
        host.process.signal(signal.SIGHUP)
        await host.logged("settings_not_reloaded", 1)
        assert await settings_of(host, "night-desk") == {"who": "ada"}

        file.write_text(good + "fail = true\n")
        refused = await host.run("reload")
        assert refused.code == 1
        assert "no database" in refused.err
        assert "it continues with its former settings" in refused.err
        assert await settings_of(host, "night-desk") == {"who": "ada"}

        file.write_text(good.replace("ada", "grace"))
        await host.done("reload")
        assert await settings_of(host, "night-desk") == {"who": "grace"}
