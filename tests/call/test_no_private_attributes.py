"""The tests of calls use what a call offers: they neither read nor set a private attribute of the product."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

TESTS = Path(__file__).parent.parent
OWN = {"self", "cls"}


def private_attributes(source: str) -> list[str]:
    """Return what code reaches into beside its own object; what a subclass inherits is its own."""
    return [
        ast.unparse(node)
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Attribute)
        and node.attr.startswith("_")
        and not node.attr.endswith("__")
        and not (isinstance(node.value, ast.Name) and node.value.id in OWN)
        and not (isinstance(node.value, ast.Call) and ast.unparse(node.value) == "super()")
    ]


@pytest.mark.parametrize("folder", ["call", "calls", "turns", "testing"])
def test_no_test_reaches_into_the_product(folder: str) -> None:
    found = {
        file.name: private
        for file in (TESTS / folder).glob("*.py")
        if (private := private_attributes(file.read_text(encoding="utf-8")))
    }
    assert found == {}


def test_the_rule_notices_what_breaks_it() -> None:
    assert private_attributes("call._paused = True; self._own; super()._tts_relay(call, reply); a.__class__") == [
        "call._paused"
    ]
