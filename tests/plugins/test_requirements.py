"""Which requirements of an agent are not met by what is installed."""

from __future__ import annotations

import pytest

from tests.sample_plugins import PluginFolder
from voice_host.plugins import violations
from voice_host.plugins.installing import install_command


@pytest.fixture
def tools(plugins: PluginFolder) -> None:
    """Two libraries: `tools` 2.0 needs `wires`, and for its extra `fast` a version of it that is not there."""
    plugins.install("wires", distribution="wires", version="1.5", requires=(), group="other")
    requires = ("Wires>1", "wires>=3; extra == 'Fast_Mode'", "engine>=2; extra == 'fast-mode'", "wires>9; extra == 'x'")
    plugins.install("tools", distribution="tools", version="2.0", requires=requires, group="other")


@pytest.mark.usefixtures("tools")
@pytest.mark.parametrize(
    ("requirement", "says"),
    [
        ("tools", []),
        ("tools>=1,<3", []),
        ("tools>=2.0rc1", []),
        ("tools==2.*", []),
        ("tools==2.0", []),
        ("tools>=3; python_version < '3'", []),
        ("tools>=3; extra == 'dev'", []),
        ("tools @ https://example.org/tools.whl", []),
        ("pydantic>=2", []),
        ("tools>=3", ["it needs tools>=3, but 2.0 is installed here"]),
        ("tools~=1.4", ["it needs tools~=1.4, but 2.0 is installed here"]),
        ("Tools!=2.0; python_version > '3'", ["it needs Tools!=2.0, but 2.0 is installed here"]),
        ("tools==1.0", ["it needs tools==1.0, but 2.0 is installed here"]),
        ("gone>=1", [f"it needs gone>=1, which is not installed: {install_command('gone>=1')}"]),
        (
            "tools[fast-mode]",
            [
                "it needs tools, which needs wires>=3, but 1.5 is installed here",
                f"it needs tools, which needs engine>=2, which is not installed: {install_command('engine>=2')}",
            ],
        ),
        ("pluggy==0.1", ["it pins pluggy==0.1, but voice-host needs pluggy<2,>=1.7: declare a range instead"]),
        ("not a requirement", []),
        ("voice-host-sdk>=9", []),
    ],
)
def test_what_is_violated_is_told(plugins: PluginFolder, requirement: str, says: list[str]) -> None:
    plugins.install("asks", distribution="asks", requires=("voice-host-sdk>=1,<2", requirement))
    assert [str(violation) for violation in violations("asks")] == says


def test_requirements_that_go_in_circles_are_followed_once(plugins: PluginFolder) -> None:
    plugins.install("one", distribution="one", requires=("two", "gone"), group="other")
    plugins.install("two", distribution="two", requires=("one", "gone"), group="other")
    plugins.install("asks", distribution="asks", requires=("one",))
    [violation] = violations("asks")
    assert (violation.requirement, violation.by) == ("gone", ("one",))


def test_the_example_has_what_it_needs() -> None:
    assert violations("voice-agent-example") == []
