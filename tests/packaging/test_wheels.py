"""The wheels, built and installed into a fresh environment as a customer and a platform would."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.packaging, pytest.mark.timeout(600)]

ROOT = Path(__file__).parents[2]
MEMBERS = {"sdk": "voice_host_sdk", "host": "voice_host", "example_agent_plugin": "voice_agent_example"}


def run(*command: str | Path, cwd: Path, status: int = 0, **variables: str) -> str:
    """Run a command without this process's environment showing through, and return what it printed."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("VOICE_HOST_", "ASSEMBLYAI_"))}
    for name in ("VIRTUAL_ENV", "PYTHONPATH"):
        environ.pop(name, None)
    environ |= variables
    done = subprocess.run(
        [str(part) for part in command], cwd=cwd, env=environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == status, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Build a wheel of each member."""
    folder = tmp_path_factory.mktemp("wheels")
    for member in MEMBERS:
        run("uv", "build", "--wheel", "--out-dir", folder, ROOT / member, cwd=folder)
    return {member: next(folder.glob(f"{name}-*.whl")) for member, name in MEMBERS.items()}


@pytest.fixture(scope="module")
def environment(wheels: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the three wheels, without extras, and return the folder with the environment's commands."""
    folder = tmp_path_factory.mktemp("environment")
    run("uv", "venv", "--python", sys.executable, folder / "venv", cwd=folder)
    commands = folder / "venv" / ("Scripts" if os.name == "nt" else "bin")
    run("uv", "pip", "install", "--python", commands / "python", *wheels.values(), cwd=folder)
    return commands


@pytest.fixture(scope="module", autouse=True)
def _uv() -> None:
    if shutil.which("uv") is None:
        pytest.fail("uv is not on the path: pip install uv")


def test_the_installed_host_finds_the_agent_by_its_entry_point(environment: Path, tmp_path: Path) -> None:
    listed = json.loads(run(environment / "voice-host", "agents", "--json", cwd=tmp_path))
    assert [(agent["id"], agent["distribution"], agent["error"]) for agent in listed] == [
        ("front-desk", "voice-agent-example", None)
    ]


def test_the_installed_agent_passes_every_phase(environment: Path, tmp_path: Path) -> None:
    keys = {"ASSEMBLYAI_API_KEY": "a-key", "ASSEMBLYAI_TTS_API_KEY": "a-key", "VOICE_HOST_MODEL": "demo"}
    [verdict] = json.loads(run(environment / "voice-host", "check", "--json", cwd=tmp_path, **keys))
    assert (verdict["id"], verdict["phase"], verdict["status"]) == ("front-desk", "started", "ok")


def test_without_keys_and_without_the_extra_check_says_what_to_install(environment: Path, tmp_path: Path) -> None:
    [verdict] = json.loads(run(environment / "voice-host", "check", "--json", cwd=tmp_path, status=1))
    assert (verdict["phase"], verdict["status"]) == ("configured", "broken")
    assert 'pip install "voice-host[embedded]"' in verdict["error"]


def test_what_is_installed_fits_together(environment: Path, tmp_path: Path) -> None:
    run("uv", "pip", "check", "--python", environment / "python", cwd=tmp_path)
    version = run(environment / "python", "-m", "voice_host", "--version", cwd=tmp_path)
    assert version.startswith("voice-host ")


def test_the_sdk_alone_needs_no_host(wheels: dict[str, Path], tmp_path: Path) -> None:
    run("uv", "venv", "--python", sys.executable, tmp_path / "venv", cwd=tmp_path)
    python = tmp_path / "venv" / ("Scripts" if os.name == "nt" else "bin") / "python"
    run("uv", "pip", "install", "--python", python, wheels["sdk"], wheels["example_agent_plugin"], cwd=tmp_path)
    imported = run(python, "-c", "import example_agent_plugin, sys; print('voice_host' in sys.modules)", cwd=tmp_path)
    assert imported.strip() == "False"
