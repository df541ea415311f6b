"""The configuration, through the SDK alone: hooks are plain functions."""

from __future__ import annotations

from typing import Any

from example_agent_plugin import agent_config, lifecycle_callbacks
from voice_host_sdk import AgentConfig, LifecycleCallbacks, tool_options


def tools_of(config: AgentConfig) -> dict[str, Any]:
    return {function.__name__: function for function in config.tools}


def test_the_restaurant_has_the_name_from_the_settings() -> None:
    config = agent_config({"restaurant_name": "Chez Nous"})
    assert "Chez Nous" in config.greeting
    assert "Chez Nous" in config.instructions
    assert "{" not in config.instructions


def test_without_settings_it_has_a_name_too() -> None:
    assert agent_config({}).greeting == "Hello, this is The Copper Spoon. How can I help you?"


def test_only_hanging_up_is_terminal() -> None:
    terminal = [name for name, function in tools_of(agent_config({})).items() if tool_options(function).terminal]
    assert terminal == ["hang_up"]


def test_the_callbacks_are_handed_over() -> None:
    assert isinstance(lifecycle_callbacks({}), LifecycleCallbacks)
