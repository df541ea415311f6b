"""Packages that not every environment has: few tests need them and they are large, or not every platform has wheels."""

from __future__ import annotations

import os
from importlib.util import find_spec

import pytest

from voice_host.speech.embedded.requirements import MODULES, speech_problem

GROUPS = {
    "assemblyai": "clients",
    "mypy": "lint",
    "openai-agents": "clients",
    "playwright": "browser",
    "ruff": "lint",
    "schemathesis": "fuzz",
    "telnyx": "clients",
    "twilio": "clients",
}
"""The dependency group of each in pyproject.toml that a plain `uv run` leaves out."""


IMPORTED_AS = {"openai-agents": "agents"}
"""The module of each that is named otherwise."""


def needs(package: str) -> None:
    """Skip what is being run or collected unless `package` is installed. In continuous integration, fail."""
    if find_spec(IMPORTED_AS.get(package, package)) is None:
        _lack(f"{package} is not installed: `uv run --group {GROUPS[package]} pytest` runs this, too")


def needs_speech() -> None:
    """Skip what is being run or collected where embedded speech cannot run. In continuous integration, fail."""
    if problem := speech_problem():
        _lack(problem)


def _lack(message: str) -> None:
    if os.environ.get("CI"):
        pytest.fail(message, pytrace=False)
    pytest.skip(message, allow_module_level=True)


class TestModule(pytest.Module):
    """A file of tests, which is skipped when it imports one of these packages and that is not installed."""

    __test__ = False

    def collect(self):  # type: ignore[no-untyped-def]
        """Collect its tests."""
        failure = None
        try:
            _ = self.obj  # imports it: once, as a second import would find the rest of the first
        except self.CollectError as error:
            failure = error
        if failure is not None:
            cause = failure.__cause__
            missing = (cause.name or "").partition(".")[0] if isinstance(cause, ModuleNotFoundError) else ""
            if missing in GROUPS:
                needs(missing)
            elif missing in MODULES:
                needs_speech()
            raise failure
        return super().collect()
