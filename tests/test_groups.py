"""A plain `uv run pytest` skips what needs more packages; `.ci/run` has all of them and skips nothing."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

from tests import groups

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def test_the_groups_are_those_of_the_project() -> None:
    declared = {
        Requirement(line).name: group
        for group, lines in PROJECT["dependency-groups"].items()
        for line in lines
        if group not in PROJECT["tool"]["uv"]["default-groups"]
    }
    assert declared == groups.GROUPS


def test_continuous_integration_installs_every_group() -> None:
    script = (ROOT / ".ci/run").read_text(encoding="utf-8")
    [sync] = re.findall(r"^uv sync .*$", script, re.MULTILINE)
    assert set(re.findall(r"--group (\w+)", sync)) == set(groups.GROUPS.values())


@pytest.mark.parametrize("package", sorted(groups.GROUPS))
def test_what_lacks_a_package_is_skipped_but_fails_in_continuous_integration(
    package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(groups, "find_spec", lambda name: None)
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match=f"{package} is not installed: `uv run --group"):
        groups.needs(package)
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match=f"{package} is not installed"):
        groups.needs(package)


def test_a_file_that_imports_such_a_package_is_skipped_as_a_whole(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "test_it.py"
    file.write_text(
        "import os\nfrom playwright.async_api import Page\n\ndef test_it() -> None: ...\n", encoding="utf-8"
    )
    parent: Any = request.node.parent
    module = request.config.hook.pytest_pycollect_makemodule(module_path=file, parent=parent)
    monkeypatch.setattr(groups, "find_spec", lambda name: None)
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="playwright is not installed"):
        module.collect()
