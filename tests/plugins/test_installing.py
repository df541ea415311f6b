"""Commands in messages are those that work where the reader stands."""

from __future__ import annotations

import sys
import sysconfig
from pathlib import Path

import pytest
from packaging.version import Version

from voice_host.plugins import installing

SCRIPTS = sysconfig.get_path("scripts")


@pytest.fixture(autouse=True)
def shell(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A folder and a shell that know nothing of this environment, on a machine without uv."""
    for name in ("UV_RUN_RECURSION_DEPTH", "VIRTUAL_ENV"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def uv(tmp_path: Path) -> None:
    (tmp_path / "uv").touch(mode=0o755)


def test_programs_are_called_by_their_path(tmp_path: Path) -> None:
    assert installing.command("pytest") == f"{SCRIPTS}/pytest"


def test_programs_of_an_active_environment_are_called_by_their_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", SCRIPTS)
    assert installing.command("pytest") == "pytest"


def test_programs_under_uv_run_are_called_by_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UV_RUN_RECURSION_DEPTH", "1")
    monkeypatch.setenv("PATH", SCRIPTS)  # uv adds it, for its child alone
    assert installing.command("pytest") == "uv run pytest"


@pytest.mark.usefixtures("uv")
def test_uv_installs_into_the_active_environment_or_the_one_it_finds(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert installing.install_command("x[y]>=1") == f'uv pip install --python {sys.executable} "x[y]>=1"'
    (tmp_path / ".venv").symlink_to(sys.prefix)
    assert installing.install_command("x") == 'uv pip install "x"'
    monkeypatch.setenv("VIRTUAL_ENV", str(tmp_path / "other"))
    assert installing.installer().startswith("uv pip install --python ")
    monkeypatch.setenv("VIRTUAL_ENV", sys.prefix)
    assert installing.installer() == "uv pip install"


def test_pip_is_named_only_where_the_environment_has_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installing, "pip_version", lambda: None)
    assert installing.installer().startswith("uv pip install")
    monkeypatch.setattr(installing, "pip_version", lambda: Version("25.1"))
    assert installing.installer() == f"{sys.executable} -m pip install"
    monkeypatch.setenv("PATH", SCRIPTS)
    assert installing.installer() == "pip install"
