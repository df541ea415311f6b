"""Running the command line within this process, with throw-away agents and nothing from the outside."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from tests.sample_plugins import PluginFolder, plugin_folder
from voice_host.cli.commands import app

Run = Callable[..., Result]


@pytest.fixture
def plugins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[PluginFolder]:
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith(("VOICE_HOST_", "ASSEMBLYAI_"))]:
        monkeypatch.delenv(name)
    with plugin_folder(tmp_path) as folder:
        yield folder


@pytest.fixture
def run(plugins: PluginFolder) -> Run:
    """Run `voice-host` with arguments and variables."""

    def run(*arguments: str, **environ: str) -> Result:
        return CliRunner().invoke(app, arguments, env=environ, prog_name="voice-host")

    return run
