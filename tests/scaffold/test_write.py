"""The files of a new agent's package: what they pass, and what they never overwrite."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.groups import needs
from voice_host.plugins import sdk_version
from voice_host.scaffold import CannotScaffold, Names, names_for, scaffold

ROOT = Path(__file__).parents[2]
LONGEST = "x" * 63


def checked(*command: str, folder: Path, **environ: str) -> None:
    needs(command[0])
    done = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=folder,
        env=os.environ | environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"


@pytest.mark.parametrize("name", ["q", "ice-cream", LONGEST], ids=["shortest", "usual", "longest"])
def test_what_is_made_is_formatted_and_has_nothing_to_complain_about(name: str, tmp_path: Path) -> None:
    scaffold(names_for(name), tmp_path / name)
    checked("ruff", "check", folder=tmp_path / name)
    checked("ruff", "format", "--check", folder=tmp_path / name)


def test_what_is_made_is_typed(tmp_path: Path) -> None:
    scaffold(names_for("ice-cream"), tmp_path)
    config = tomllib.loads((tmp_path / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["mypy"]
    assert config == {"strict": True, "files": ["src", "tests"]}
    # From here, and so with the cache of the workspace: the tests of an agent bring the whole host in.
    files = [str(path) for path in tmp_path.rglob("*.py")]
    checked("mypy", "--strict", *files, folder=ROOT, MYPYPATH=f"{tmp_path / 'src'}{os.pathsep}{tmp_path}")


def test_it_depends_on_the_sdk_that_this_host_runs_and_on_nothing_else(tmp_path: Path) -> None:
    scaffold(names_for("ice-cream"), tmp_path)
    project = tomllib.loads((tmp_path / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    [sdk] = map(Requirement, project["dependencies"])
    assert sdk.name == "voice-host-sdk"
    assert sdk.specifier.contains(sdk_version())
    assert project["entry-points"] == {"voice_host.agents": {"ice-cream": "ice_cream"}}


@pytest.mark.parametrize("file", ["pyproject.toml", "README.md", "src/ice_cream/agent.py", ".gitignore"])
def test_nothing_is_written_when_a_single_file_exists(file: str, tmp_path: Path) -> None:
    (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / file).write_text("mine", encoding="utf-8")
    with pytest.raises(CannotScaffold, match="never overwritten") as refusal:
        scaffold(Names("ice-cream", "ice_cream", "Ice cream"), tmp_path)
    assert file in str(refusal.value)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [tmp_path / file]
    assert (tmp_path / file).read_text(encoding="utf-8") == "mine"


def test_other_files_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine", encoding="utf-8")
    assert tmp_path / "pyproject.toml" in scaffold(Names("ice-cream", "ice_cream", "Ice cream"), tmp_path)
    assert (tmp_path / "notes.txt").read_text(encoding="utf-8") == "mine"


def test_a_place_that_is_no_folder_is_said_in_words(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(CannotScaffold, match="cannot be written"):
        scaffold(Names("ice-cream", "ice_cream", "Ice cream"), tmp_path / "file" / "ice-cream")
