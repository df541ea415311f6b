"""Which Pythons the packages may be installed on. `.ci/run` resolves their requirements for the newest."""

import tomllib

import pytest
from packaging.specifiers import SpecifierSet

from tests.docs.markdown import ROOT


@pytest.mark.parametrize("package", ["sdk", "host", "example_agent_plugin"])
def test_a_package_may_be_installed_on_python_3_14_and_claims_nothing_of_it(package: str) -> None:
    project = tomllib.loads((ROOT / package / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    admitted = SpecifierSet(project["requires-python"])
    assert [version for version in ("3.10", "3.11", "3.12", "3.13", "3.14", "3.15") if version in admitted] == [
        *("3.11", "3.12", "3.13", "3.14"),
    ]
    assert not [line for line in project.get("classifiers", []) if line.endswith("3.14")]
