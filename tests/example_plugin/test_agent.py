"""The hooks of the example agent, through pluggy as a host calls them."""

from __future__ import annotations

import inspect
from importlib.metadata import entry_points
from typing import Any, get_type_hints

import pluggy

import example_agent_plugin
from tests.example_plugin.sessions import RecordingSession
from voice_host_sdk import ENTRY_POINT_GROUP, PROJECT_NAME, AgentConfig, LifecycleCallbacks, Session, tool_options
from voice_host_sdk import hooks as hook_specifications


def plugin_manager() -> pluggy.PluginManager:
    manager = pluggy.PluginManager(PROJECT_NAME)
    manager.add_hookspecs(hook_specifications)
    manager.register(example_agent_plugin)
    manager.check_pending()
    return manager


def configured(**settings: Any) -> AgentConfig:
    config = plugin_manager().hook.agent_config(settings=settings)
    assert isinstance(config, AgentConfig)
    return config


def tools_of(config: AgentConfig) -> dict[str, Any]:
    return {function.__name__: function for function in config.tools}


def test_the_entry_point_is_installed() -> None:
    (found,) = entry_points(group=ENTRY_POINT_GROUP, name="front-desk")
    assert found.load() is example_agent_plugin


def test_the_restaurant_has_the_name_from_the_settings() -> None:
    config = configured(restaurant_name="Chez Nous")
    assert "Chez Nous" in config.greeting
    assert "Chez Nous" in config.instructions
    assert "{" not in config.instructions


def test_every_tool_says_what_it_does_and_what_it_takes() -> None:
    for name, function in tools_of(configured()).items():
        hints = get_type_hints(function)
        documentation = inspect.getdoc(function) or ""
        assert hints["return"] is str
        for parameter in inspect.signature(function).parameters:
            assert hints[parameter] is Session or f"{parameter}: " in documentation, (name, parameter)


def test_only_hanging_up_is_terminal() -> None:
    terminal = [name for name, function in tools_of(configured()).items() if tool_options(function).terminal]
    assert terminal == ["hang_up"]


async def test_two_agents_do_not_share_their_bookings(session: RecordingSession) -> None:
    one, other = tools_of(configured()), tools_of(configured())
    await one["book_table"](session, "Kim", "friday", "19:30", 2)
    assert "I found" in await one["find_booking"]("Kim")
    assert "cannot find" in await other["find_booking"]("Kim")


def test_the_callbacks_are_handed_over() -> None:
    assert isinstance(plugin_manager().hook.lifecycle_callbacks(settings={}), LifecycleCallbacks)
