"""Why no agent runs."""

import asyncio
from pathlib import Path

import pytest

from voice_host.fleet import installed
from voice_host.fleet.local import build
from voice_host.plugins import DiscoveredAgent, nothing_to_run
from voice_host.settings import Settings, load_settings


def allowing(folder: Path, **environ: str) -> Settings:
    file = folder / "settings.toml"
    file.write_text('agents.allow = ["front-dsk"]', encoding="utf-8")
    return load_settings(file, environ)


def test_nothing_is_installed() -> None:
    assert nothing_to_run(Settings(), 0).startswith("No agents are installed.")


@pytest.mark.parametrize(
    ("count", "beginning"),
    [(1, "1 agent is installed, but not allowed by "), (2, "2 agents are installed, but none is allowed by ")],
)
def test_the_allow_list_leaves_all_of_them_out(tmp_path: Path, count: int, beginning: str) -> None:
    message = nothing_to_run(allowing(tmp_path), count)
    assert message.startswith(f"{beginning}{tmp_path / 'settings.toml'}: [agents] allow. ")
    by_variable = nothing_to_run(allowing(tmp_path, VOICE_HOST_AGENTS__ALLOW="x"), count)
    assert by_variable.startswith(f"{beginning}VOICE_HOST_AGENTS__ALLOW. ")


def test_the_report_says_why_it_is_empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = [DiscoveredAgent(agent_id, "d", "1", agent_id, None) for agent_id in ("one", "two")]
    monkeypatch.setattr(installed, "installed_agents", lambda settings: found)
    settings = allowing(tmp_path)
    agents = build(settings)

    async def started_and_stopped() -> None:
        await agents.start()
        await agents.stop()

    asyncio.run(started_and_stopped())
    assert agents.report.why_empty == nothing_to_run(settings, 2)
