"""The example agent as the host sees it: its entry point, and what the model is told of its tools."""

from __future__ import annotations

import inspect
from importlib.metadata import entry_points
from typing import get_type_hints

import example_agent_plugin
from voice_host_sdk import ENTRY_POINT_GROUP, Session


def test_the_entry_point_is_installed() -> None:
    (found,) = entry_points(group=ENTRY_POINT_GROUP, name="front-desk")
    assert found.load() is example_agent_plugin


def test_every_tool_says_what_it_does_and_what_it_takes() -> None:
    for function in example_agent_plugin.agent_config({}).tools:
        hints = get_type_hints(function)
        documentation = inspect.getdoc(function) or ""
        assert hints["return"] is str
        for parameter in inspect.signature(function).parameters:
            assert hints[parameter] is Session or f"{parameter}: " in documentation, (function.__name__, parameter)
