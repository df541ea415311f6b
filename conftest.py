"""Makes the example's package known before pytest takes the folder of the same name for it, and shares the tests out.

`-n logical` (pyproject.toml) runs them in a process more than there are cores; `-n 0` in this one.
"""

from __future__ import annotations

import os
import sys
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

import example_agent_plugin  # noqa: F401

# What the tests import and start is compiled once: a host in a process of its own begins in 1 s then, instead of 6 s.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

TOGETHER = ("tests/browser", "tests/openai_clients", "tests/packaging")
"""Folders whose tests share what is dear to make, a Chromium, a host or an environment, and so run in one process."""

FIRST = (
    *TOGETHER,
    "tests/releases/test_environments.py",
    "tests/docs/test_tutorial.py",
    "tests/scaffold",
    "tests/dev",
    "tests/caller",
    "tests/cli",
    "tests/front",
)
"""What takes longest, from the longest on: begun first, so that no process is left alone with it at the end."""


def unit_of(nodeid: str) -> str:
    """Return what a test is handed out with: a folder of `TOGETHER`, or a file, which may share things, too."""
    file = nodeid.partition("::")[0]
    return next((folder for folder in TOGETHER if file.startswith(f"{folder}/")), file)


class Units(LoadScopeScheduling):
    """Hands whole units out, in the order of the tests."""

    def _split_scope(self, nodeid: str) -> str:  # what xdist has its schedulers override
        return unit_of(nodeid)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Units:
    config.option.loadscopereorder = False  # it would begin with what has the most tests
    return Units(config, log)


@pytest.hookimpl(tryfirst=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Run in this process where single files are asked for: workers take longer to start than those to run.

    Otherwise in one more than there are cores. A registry, a loudspeaker or a process is waited for most of the time by
    the units that are begun first.
    """
    alone = config.args and all(".py" in argument for argument in config.args)
    return 0 if alone else (os.cpu_count() or 1) + 1


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: next((n for n, path in enumerate(FIRST) if item.nodeid.startswith(path)), len(FIRST)))
