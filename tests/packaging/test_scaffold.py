"""A new agent on its way from `voice-host new` to a call, as its author takes it: with wheels alone."""

import tomllib
import zipfile
from pathlib import Path

import pytest

from tests.packaging.commands import ROOT, commands_of, run

pytestmark = [pytest.mark.packaging, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def project(environment: Path, wheels: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make an agent with the installed host, install what it is developed with, and then the wheel of the agent."""
    folder = tmp_path_factory.mktemp("made")
    run(environment / "voice-host", "new", "ice-cream", cwd=folder)
    project = folder / "ice-cream"
    workspace = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    newest = workspace["tool"]["uv"]["exclude-newer"]
    wheelhouse = str(wheels["host"].parent)
    run("uv", "sync", "--no-install-project", cwd=project, UV_FIND_LINKS=wheelhouse, UV_EXCLUDE_NEWER=newest)
    run("uv", "build", "--wheel", cwd=project)
    [wheel] = (project / "dist").glob("*.whl")
    run("uv", "pip", "install", "--no-deps", wheel, cwd=project)
    return project


def test_its_checks_and_its_tests_pass(project: Path) -> None:
    commands = commands_of(project / ".venv")
    run(commands / "ruff", "check", cwd=project)
    run(commands / "ruff", "format", "--check", cwd=project)
    run(commands / "mypy", "src", "tests/test_agent.py", cwd=project)  # the rest takes long: tests/scaffold
    assert " passed" in run(commands / "pytest", "-W", "error", cwd=project)


def test_its_wheel_is_typed_and_holds_the_agent_alone(project: Path) -> None:
    [wheel] = (project / "dist").glob("*.whl")
    files = {name.partition("/")[2] for name in zipfile.ZipFile(wheel).namelist() if name.startswith("ice_cream/")}
    assert files == {"__init__.py", "agent.py", "callbacks.py", "py.typed", "tools.py"}


def test_the_installed_wheel_answers_a_call(project: Path) -> None:
    voice_host = commands_of(project / ".venv") / "voice-host"
    said = run(voice_host, "call", "ice-cream", "--text", "Are you open on Sunday?", cwd=project)
    assert "opening_hours(day='sunday')" in said
    assert "We are closed on Sunday." in said
