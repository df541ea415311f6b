"""A distribution that nobody can read, and entry points with extras, through the real verbs.

The ids of cases are those of public reports.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tests.front.test_process import get, process
from tests.ports import free_port
from tests.sample_plugins import HELLO, PluginFolder

METADATA = b"Metadata-Version: 2.1\nName: damaged\nVersion: 1.0\n"
POINTS = b"[voice_host.agents]\ndamaged = damaged\n"

DAMAGED = [
    pytest.param(METADATA, b"[console_scripts]\nnonsense\n", id="26-20"),
    pytest.param(METADATA, b"\xff\xfe\x00", id="entry points that are no text"),
    pytest.param(None, POINTS, id="no metadata"),
    pytest.param(b"", POINTS, id="empty metadata"),
    pytest.param(b"\xff\xfe\x00", POINTS, id="metadata that is no text"),
    pytest.param(b"Metadata-Version: 2.1\nName: damaged\n", POINTS, id="no version"),
    pytest.param(b"Metadata-Version: 2.1\nVersion: 1.0\n", POINTS, id="no name"),
]


def damage(folder: Path, metadata: bytes | None, points: bytes) -> None:
    info = folder / "damaged-1.0.dist-info"
    info.mkdir()
    if metadata is not None:
        (info / "METADATA").write_bytes(metadata)
    (info / "entry_points.txt").write_bytes(points)


@pytest.mark.parametrize(("metadata", "points"), DAMAGED[:2])
@pytest.mark.parametrize("verb", [["agents"], ["check"], ["config"], ["--version"]], ids=" ".join)
def test_a_damaged_distribution_stops_no_verb(
    plugins: PluginFolder, tmp_path: Path, metadata: bytes | None, points: bytes, verb: list[str]
) -> None:
    plugins.install("hello", HELLO)
    damage(tmp_path, metadata, points)
    environ = os.environ | {"PYTHONPATH": str(tmp_path)}
    ran = subprocess.run(
        [sys.executable, "-m", "voice_host", *verb],
        env=environ,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert ran.returncode == 0, ran.stderr
    assert "Traceback" not in ran.stderr
    if verb[0] in ("agents", "check"):
        assert "hello" in ran.stdout
        assert ran.stderr.count("damaged-1.0.dist-info has unreadable metadata and is left out") == 1
        assert "reinstall or remove it" in ran.stderr


@pytest.mark.skipif(os.name == "nt", reason="signals")
@pytest.mark.parametrize("points", [pytest.param(DAMAGED[0].values[1], id="26-20 by serve")])
def test_a_host_serves_beside_a_damaged_distribution(
    plugins: PluginFolder, tmp_path: Path, points: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    plugins.install("hello", HELLO)
    damage(tmp_path, METADATA, points)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    port = free_port()
    with process("serve", "--port", str(port), "--agents", "hello", cwd=tmp_path) as host:
        host.until("No language model is configured")
        assert [agent["status"] for agent in json.loads(get(port, "/agents"))] == ["ready"]
        host.signal(signal.SIGTERM)
        host.ended()
        assert host.output.count("damaged-1.0.dist-info has unreadable metadata") == 1


def test_a_damaged_distribution_does_not_keep_the_package_from_being_imported(tmp_path: Path) -> None:
    damage(tmp_path, METADATA, b"nonsense\n[console_scripts]\nnonsense\n")
    environ = os.environ | {"PYTHONPATH": str(tmp_path)}
    code = "from voice_host import AgentConfig; AgentConfig()"
    ran = subprocess.run([sys.executable, "-c", code], env=environ, capture_output=True, text=True, timeout=100)
    assert ran.returncode == 0, ran.stderr


@pytest.mark.parametrize(("metadata", "points"), DAMAGED)
def test_a_damaged_distribution_is_left_out(
    run: Run, plugins: PluginFolder, tmp_path: Path, metadata: bytes | None, points: bytes
) -> None:
    plugins.install("hello", HELLO)
    damage(tmp_path, metadata, points)
    for verb in ("agents", "check"):
        result = run(verb)
        assert result.exit_code == 0, result.output
        assert "hello" in result.output


@pytest.mark.parametrize("attribute", ["", "agent"])
def test_extras_of_an_entry_point_are_ignored(run: Run, plugins: PluginFolder, attribute: str) -> None:
    """26-22."""
    plugins.install(
        "bug-agent", HELLO + "\nimport sys\nagent = sys.modules[__name__]", extras=" [speech,more]", attribute=attribute
    )
    result = run("check", "bug-agent")
    assert result.exit_code == 0, result.output
    assert "started" in result.output
