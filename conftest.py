"""Makes the example's package known before pytest takes the folder of the same name for it, and shares the tests out.

`-n logical` (pyproject.toml) runs them in as many processes as there are cores; `-n 0` in this one.
"""

from __future__ import annotations

import pytest

import example_agent_plugin  # noqa: F401

TOGETHER = ("browser", "packaging")
"""Marks whose tests share what is dear to make, a Chromium or an environment, and so run in one process."""


@pytest.hookimpl(tryfirst=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int | None:
    """Run in this process where single files are asked for: workers take longer to start than those to run."""
    return 0 if config.args and all(".py" in argument for argument in config.args) else None


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        for mark in TOGETHER:
            if item.get_closest_marker(mark):
                item.add_marker(pytest.mark.xdist_group(mark))
