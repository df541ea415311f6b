"""Why no agent runs."""

from pathlib import Path

import pytest

from voice_host.fleet.local import Host
from voice_host.plugins import nothing_to_run
from voice_host.settings import Settings, load_settings
from voice_host.speech.select import SpeechServices


def allowing(folder: Path, **environ: str) -> Settings:
    file = folder / "settings.toml"
    file.write_text('agents.allow = ["front-dsk"]', encoding="utf-8")
    return load_settings(file, environ)


def test_nothing_is_installed() -> None:
    assert nothing_to_run(Settings(), 0).startswith("No agents are installed.")


@pytest.mark.parametrize(
    ("installed", "beginning"),
    [(1, "1 agent is installed, but not allowed by "), (2, "2 agents are installed, but none is allowed by ")],
)
def test_the_allow_list_leaves_all_of_them_out(tmp_path: Path, installed: int, beginning: str) -> None:
    message = nothing_to_run(allowing(tmp_path), installed)
    assert message.startswith(f"{beginning}{tmp_path / 'settings.toml'}: [agents] allow. ")
    by_variable = nothing_to_run(allowing(tmp_path, VOICE_HOST_AGENTS__ALLOW="x"), installed)
    assert by_variable.startswith(f"{beginning}VOICE_HOST_AGENTS__ALLOW. ")


async def test_the_host_knows_why_it_is_empty(tmp_path: Path) -> None:
    settings = allowing(tmp_path)
    host = Host(settings, SpeechServices(settings), installed=2)
    await host.start([])
    try:
        assert host.why_empty == nothing_to_run(settings, 2)
    finally:
        await host.stop()
