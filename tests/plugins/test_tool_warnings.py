"""Warnings about tools the model is told too little about."""

from typing import Any

from pydantic_ai import Tool

from voice_host.plugins.validate import tool_warnings
from voice_host_sdk import Session, tool


def told(session: Session, day: str) -> str:
    """Tell the opening hours."""
    return day


@tool
def untyped(session: Session, day, hour: int = 3):  # type: ignore[no-untyped-def]
    """Tell the opening hours."""


def undocumented(day: str) -> None:
    pass


class Desk:
    def book(self, name: str) -> None:
        """Book."""


def warnings(*tools: Any) -> list[str]:
    return list(tool_warnings(tools))


def test_a_parameter_without_a_type_is_named_with_its_place() -> None:
    [warning] = warnings(untyped)
    line = untyped.__code__.co_firstlineno
    assert warning == (
        "tool untyped(session, day, hour): parameter day has no type; the model is told nothing about it "
        f"(plugins/test_tool_warnings.py:{line})"
    )


def test_a_missing_docstring_is_named_with_its_place() -> None:
    [warning] = warnings(undocumented)
    line = undocumented.__code__.co_firstlineno
    place = f"plugins/test_tool_warnings.py:{line}"
    assert warning == f"tool undocumented(day) has no docstring; the model is told only its name ({place})"


def test_complete_tools_and_ready_made_ones_are_left_alone() -> None:
    assert warnings(told, Desk().book, Tool(undocumented)) == []
