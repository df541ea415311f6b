"""The test kit's pages: every public name has its entry, and the guide's tests are run as a customer would run them."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from _pytest.fixtures import FixtureFunctionDefinition

from tests.docs.markdown import ROOT, blocks, entries, read, section
from voice_host import testing
from voice_host.testing import fixtures

REFERENCE, GUIDE = "docs/reference/testing.md", "docs/how-to/test-an-agent.md"
NOT_FOR_TESTS = {"dial", "pick_up", "lose_line", "leave", "check"}
"""Of `TestCall`: what `TestAgent` uses."""

pytest_plugins = ["pytester"]


def documented(heading: str | None = None) -> set[str]:
    """Return the names that have an entry, without the signatures that follow them."""
    text = section(REFERENCE, heading) if heading else read(REFERENCE)
    return {name.partition("(")[0] for name in entries(text)}


def test_every_public_name_has_its_entry() -> None:
    assert documented() >= set(testing.__all__)
    assert documented("Fixtures") == {n for n, v in vars(fixtures).items() if isinstance(v, FixtureFunctionDefinition)}


def test_a_call() -> None:
    attributes = {"ears", "voice", "carrier"}
    public = {name for name in dir(testing.TestCall) if not name.startswith("_")} - NOT_FOR_TESTS
    records = {"CallEnd", "Reply", "SeenCallback"} | documented("`Reply`") | documented("`CallEnd`")
    records |= {"TestCarrier"} | documented("`TestCarrier`")
    assert documented("`TestCall`") - records - documented("`SeenCallback`") <= public | attributes
    assert documented("`TestCall`") >= public | attributes


def test_a_carrier() -> None:
    used_by_the_host = {"transfer", "send_digits", "connect"}
    public = {name for name in vars(testing.TestCarrier) if not name.startswith("_")} | vars(
        testing.TestCarrier()
    ).keys()
    assert documented("`TestCarrier`") == {name for name in public if not name.startswith("_")} - used_by_the_host


@pytest.mark.parametrize("record", [testing.Reply, testing.SeenCallback, testing.Asked])
def test_records(record: type) -> None:
    assert documented(f"`{record.__name__}`") == {field.name for field in dataclasses.fields(record)}


def test_the_tests_of_the_guide_pass(pytester: pytest.Pytester) -> None:
    found = list(blocks(ROOT / GUIDE))
    [conftest] = [block for block in found if "pytest_plugins" in block.code and block.info == "python"]
    pytester.makeconftest(conftest.code)
    tests = [block.code for block in found if block.info == "python test"]
    for number, code in enumerate(tests):
        Path(pytester.path / f"test_{number}.py").write_text(code, encoding="utf-8")
    expected = sum(code.count("async def test_") for code in tests)
    pytester.runpytest_inprocess("-p", "no:asyncio").assert_outcomes(passed=expected)
