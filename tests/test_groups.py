"""A plain `uv run pytest` skips what needs more packages; `.ci/run` has all of them and skips nothing."""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

from tests import groups
from voice_host.speech.embedded import requirements

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


@pytest.mark.parametrize("package", ["assemblyai", *requirements.MODULES])
def test_a_file_that_imports_such_a_package_is_skipped_as_a_whole(
    package: str, request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    helper, file = tmp_path / "helper.py", tmp_path / f"test_{package}.py"
    helper.write_text(f"from {package}.parts import part\n", encoding="utf-8")
    file.write_text("import os\nimport helper\n\ndef test_it() -> None: ...\n", encoding="utf-8")
    parent: Any = request.node.parent
    module = request.config.hook.pytest_pycollect_makemodule(module_path=file, parent=parent)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "helper", raising=False)
    monkeypatch.setitem(sys.modules, package, None)  # importing it fails
    monkeypatch.setattr(groups, "find_spec", lambda name: None)
    monkeypatch.setattr(requirements, "find_spec", lambda name: None)
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="not installed"):
        module.collect()


def test_a_file_with_another_mistake_is_an_error(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    file = tmp_path / "test_mistake.py"
    file.write_text("import no_such_module_anywhere\n", encoding="utf-8")
    parent: Any = request.node.parent
    module = request.config.hook.pytest_pycollect_makemodule(module_path=file, parent=parent)
    with pytest.raises(pytest.Collector.CollectError, match="no_such_module_anywhere"):
        module.collect()


def test_what_lacks_embedded_speech_is_skipped_but_fails_in_continuous_integration(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(requirements, "find_spec", lambda name: None)
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="Embedded speech"):
        groups.needs_speech()
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="Embedded speech"):
        groups.needs_speech()
