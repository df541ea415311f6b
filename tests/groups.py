"""Packages that a plain `uv run` does not install, because few tests need them and they are large."""

from __future__ import annotations

import os
import re
from importlib.util import find_spec
from pathlib import Path

import pytest

GROUPS = {
    "assemblyai": "clients",
    "mypy": "lint",
    "playwright": "browser",
    "ruff": "lint",
    "schemathesis": "fuzz",
}
"""The dependency group of each in pyproject.toml."""

_IMPORT = re.compile(rf"^(?:from|import) ({'|'.join(GROUPS)})\b", re.MULTILINE)


def needs(package: str) -> None:
    """Skip what is being run or collected unless `package` is installed. In continuous integration, fail."""
    if find_spec(package) is not None:
        return
    message = f"{package} is not installed: `uv run --group {GROUPS[package]} pytest` runs this, too"
    if os.environ.get("CI"):
        pytest.fail(message, pytrace=False)
    pytest.skip(message, allow_module_level=True)


class TestModule(pytest.Module):
    """A file of tests, which is skipped when it imports one of these packages and that is not installed."""

    __test__ = False

    def collect(self):  # type: ignore[no-untyped-def]
        """Collect its tests."""
        for package in imported(self.path):
            needs(package)
        return super().collect()


def imported(file: Path) -> list[str]:
    """Return which of these packages a file imports at its top level."""
    return _IMPORT.findall(file.read_text(encoding="utf-8"))
