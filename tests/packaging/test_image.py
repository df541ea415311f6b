"""docs/how-to/image, built as its Dockerfile says in a fresh environment, and what comes out, run as a container is."""

import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.packaging.commands import ROOT, commands_of, run
from tests.packaging.dockerfile import Image, build, clean_environ, instructions

pytestmark = [pytest.mark.packaging, pytest.mark.timeout(600)]

CONTEXT = ROOT / "docs/how-to/image"
KEYS = {"ASSEMBLYAI_API_KEY": "a-key", "ASSEMBLYAI_TTS_API_KEY": "a-key"}
START_S = 60


@pytest.fixture(scope="module")
def image(wheels: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Image:
    """Build the image, on a base that has Python and pip."""
    folder = tmp_path_factory.mktemp("image")
    context = folder / "context"
    shutil.copytree(CONTEXT, context)
    for member, place in {"sdk": "host", "host": "host", "example_agent_plugin": "agents"}.items():
        shutil.copy(wheels[member], context / place)
    run("uv", "venv", "--seed", "--python", sys.executable, folder / "base", cwd=folder)
    environ = clean_environ()
    environ["PATH"] = f"{commands_of(folder / 'base')}:{environ['PATH']}"
    (folder / "root").mkdir()
    built = build(context / "Dockerfile", Image(folder / "root", environ))
    (built.folder / "secrets").mkdir()
    (built.folder / "secrets/token-secret").write_text("a secret of at least thirty-two bytes\n", encoding="utf-8")
    return built


def test_the_constraints_name_versions_and_no_addresses(image: Image) -> None:
    lines = (image.folder / "constraints.txt").read_text(encoding="utf-8").splitlines()
    assert len(lines) > 30
    assert [line for line in lines if "://" in line or "@" in line or "==" not in line] == []
    assert {"voice-host==0.1.0", "voice-host-sdk==1.1.0"} <= set(lines)
    assert "voice-agent-example" not in "".join(lines)


def test_a_plugin_cannot_change_the_host_s_versions(image: Image, tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(
        '[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"\n'
        '[project]\nname = "old-ways"\nversion = "0.1.0"\ndependencies = ["pydantic<2.12"]\n',
        encoding="utf-8",
    )
    (tmp_path / "old_ways.py").touch()
    before = image.shell("uv pip freeze")
    with pytest.raises(AssertionError) as refused:
        image.shell(f"uv pip install -c constraints.txt {tmp_path}")
    said = " ".join(str(refused.value).split())
    assert "old-ways" in said
    assert "requirements are unsatisfiable" in said
    assert image.shell("uv pip freeze") == before


def test_check_says_to_a_pipeline_what_would_run(image: Image) -> None:
    found = json.loads(image.shell("voice-host check --json", **KEYS))
    assert [(each["id"], each["status"], each["warnings"]) for each in found] == [("front-desk", "ok", [])]


def test_nothing_of_the_build_s_stand_ins_is_left(image: Image) -> None:
    stand_in = (CONTEXT / "stand-ins/token-secret").read_text(encoding="utf-8").strip()
    assert stand_in not in (image.folder / "secrets/token-secret").read_text(encoding="utf-8")
    copied = [value.split()[0] for name, value in instructions(CONTEXT / "Dockerfile") if name == "COPY"]
    assert copied == ["host/", "agents/", "voice-host.toml"]


def test_the_container_is_healthy_and_ends_when_it_is_told(image: Image) -> None:
    assert image.user == "10001:10001"
    with running(image) as (process, port):
        image.shell(image.health, VOICE_HOST_SERVER__PORT=str(port))
        assert (image.folder / "data/host/host.token").is_file()
        process.send_signal(signal.SIGTERM)
        assert process.wait(START_S) == 0
    with pytest.raises(AssertionError, match="refused"):
        image.shell(image.health, VOICE_HOST_SERVER__PORT=str(port))


@contextmanager
def running(image: Image) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Run the image's command on a free port of this machine alone, until it says that it serves."""
    port = {"VOICE_HOST_SERVER__HOST": "127.0.0.1", "VOICE_HOST_SERVER__PORT": "0"}
    environ = image.environ | KEYS | port
    program = shutil.which(image.command[0], path=environ["PATH"])
    with subprocess.Popen(
        [program or "", *image.command[1:]], cwd=image.folder, env=environ, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stderr
            events = (json.loads(line) for line in process.stderr)
            serving = next(event for event in events if event["event"] == "serving")
            yield process, int(serving["url"].rpartition(":")[2])
        finally:
            if process.poll() is None:
                process.kill()
