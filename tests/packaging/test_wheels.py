"""The wheels, built and installed into a fresh environment as a customer and a platform would."""

import json
import sys
import zipfile
from pathlib import Path

import pytest

from tests.packaging.commands import commands_of, run

pytestmark = [pytest.mark.packaging, pytest.mark.timeout(600)]


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
    [verdict] = json.loads(run(environment / "voice-host", "check", "--json", cwd=tmp_path))
    assert (verdict["phase"], verdict["status"]) == ("started", "ok")
    assert any('install "voice-host[embedded]"' in warning for warning in verdict["warnings"])


def test_without_the_extra_callers_can_type(environment: Path, tmp_path: Path) -> None:
    said = run(environment / "voice-host", "call", "front-desk", "--text", "Are you open on Friday?", cwd=tmp_path)
    assert "Speech is not available on this host. Replies come as text." in said
    assert "On Friday we are open from 12 pm to 10 pm." in said


def test_every_wheel_tells_type_checkers_that_it_is_typed(wheels: dict[str, Path]) -> None:
    for member, package in {
        "sdk": "voice_host_sdk",
        "host": "voice_host",
        "example_agent_plugin": "example_agent_plugin",
    }.items():
        assert f"{package}/py.typed" in zipfile.ZipFile(wheels[member]).namelist()


def test_the_test_kit_is_installed_and_needs_no_pytest(environment: Path, tmp_path: Path) -> None:
    script = """
import voice_host.testing as kit
assert not __import__("importlib.util").util.find_spec("pytest")

@kit.in_virtual_time
async def call():
    async with kit.call_agent("front-desk") as call:
        print((await call.ask("Are you open on Friday?")).heard)

call()
"""
    said = run(environment / "python", "-c", script, cwd=tmp_path)
    assert said.splitlines()[-1] == "On Friday we are open from 12 pm to 10 pm."


def test_what_is_installed_fits_together(environment: Path, tmp_path: Path) -> None:
    run("uv", "pip", "check", "--python", environment / "python", cwd=tmp_path)
    version = run(environment / "python", "-m", "voice_host", "--version", cwd=tmp_path)
    assert version.startswith("voice-host ")


def test_the_sdk_alone_needs_no_host(wheels: dict[str, Path], tmp_path: Path) -> None:
    run("uv", "venv", "--python", sys.executable, tmp_path / "venv", cwd=tmp_path)
    python = commands_of(tmp_path / "venv") / "python"
    run("uv", "pip", "install", "--python", python, wheels["sdk"], wheels["example_agent_plugin"], cwd=tmp_path)
    imported = run(python, "-c", "import example_agent_plugin, sys; print('voice_host' in sys.modules)", cwd=tmp_path)
    assert imported.strip() == "False"
