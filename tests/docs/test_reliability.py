"""The matrix of `docs/reliability.md` and the tests that prove its rows: neither has what the other lacks."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.markdown import ROOT, rows, section

PAGE = "docs/reliability.md"
AREAS = {
    "Speech-to-text": "stt",
    "Voice": "voice",
    "Model": "model",
    "Caller": "caller",
    "Plugin": "plugin",
    "Process": "process",
    "Worker": "worker",
}
"""Headings of the matrix, and what the names of their faults begin with."""


def marked_faults(tests: Path) -> Iterator[tuple[str, str]]:
    """Yield the faults that tests are marked with, and where, without importing a test.

    `@pytest.mark.fault("a", "b")` above a test and `marks=pytest.mark.fault("a")` of a parameter both count.
    """
    for path in sorted(tests.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "pytest.mark.fault":
                where = f"{path.relative_to(ROOT)}:{node.lineno}"
                assert node.args, f"{where}: which fault?"
                for name in node.args:
                    assert isinstance(name, ast.Constant), f"{where}: the name of a fault is written out"
                    yield str(name.value), where


def documented_faults(heading: str) -> list[str]:
    head, *table = rows(section(PAGE, heading))
    assert head == ["Fault", "The caller hears and sees", "Logged and counted", "Lost"]
    assert all(len(row) == 4 and all(row) for row in table), heading
    return [row[0].strip("`") for row in table]


@pytest.mark.parametrize("heading", AREAS)
def test_every_row_has_a_test_and_every_marked_test_a_row(heading: str) -> None:
    documented = documented_faults(heading)
    assert len(documented) == len(set(documented))
    marked = {name for name, _ in marked_faults(ROOT / "tests") if name.startswith(f"{AREAS[heading]}: ")}
    assert set(documented) == marked


def test_every_mark_belongs_to_a_table() -> None:
    strays = [
        (name, where) for name, where in marked_faults(ROOT / "tests") if name.partition(": ")[0] not in AREAS.values()
    ]
    assert not strays
