"""`voice-host new`."""

import sys
from pathlib import Path

import pytest
from typer.testing import Result

from tests.cli.conftest import Run


def test_it_tells_what_it_made_and_what_to_do_next(run: Run, tmp_path: Path) -> None:
    result = run("new", "ice-cream", UV_RUN_RECURSION_DEPTH="1", VIRTUAL_ENV=sys.prefix)
    assert result.exit_code == 0
    assert "  src/ice_cream/agent.py\n" in result.stdout
    assert steps(result) == [
        "uv run voice-host dev ice-cream",
        "uv pip install -e ./ice-cream --group ice-cream/pyproject.toml:dev",
        "uv run pytest ice-cream",
        "uv run voice-host check ice-cream",
    ]
    assert (tmp_path / "ice-cream" / "pyproject.toml").is_file()


def test_the_folder_can_be_elsewhere(run: Run, tmp_path: Path) -> None:
    result = run("new", "ice-cream", "--dir", "my agents", UV_RUN_RECURSION_DEPTH="1")
    assert result.exit_code == 0
    assert (tmp_path / "my agents" / "ice-cream" / "tests").is_dir()
    assert "uv run pytest 'my agents/ice-cream'" in steps(result)


def steps(result: Result) -> list[str]:
    """The commands of what comes next."""
    lines = result.stdout.partition("\nNext:\n")[2].splitlines()
    return [line.strip() for line in lines if line.strip() and not line.startswith("   ")]


def test_a_second_time_changes_nothing(run: Run, tmp_path: Path) -> None:
    run("new", "ice-cream")
    (tmp_path / "ice-cream" / "README.md").write_text("mine", encoding="utf-8")
    result = run("new", "ice-cream")
    assert result.exit_code == 2
    assert "existing files are never overwritten" in result.stderr
    assert (tmp_path / "ice-cream" / "README.md").read_text(encoding="utf-8") == "mine"


@pytest.mark.parametrize("name", ["Ice Cream", "front-desk", "json"])
def test_a_name_that_cannot_be_used_makes_nothing(run: Run, tmp_path: Path, name: str) -> None:
    result = run("new", name)
    assert result.exit_code == 2
    assert "  next: try `voice-host new " in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_help_says_what_it_makes(run: Run) -> None:
    words = " ".join(run("new", "--help").output.split())
    assert "pyproject.toml with the entry point" in words
    assert "never overwritten" in words
