"""The module of an agent: its hooks stay the functions they are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, assert_type

from voice_host_sdk import AgentConfig, LifecycleCallbacks, hookimpl


@hookimpl
def agent_config(settings: Mapping[str, Any]) -> AgentConfig:
    settings["name"] = "changed"  # type: ignore[index]
    return AgentConfig(title=str(settings.get("name", "Front desk")))


@hookimpl
def lifecycle_callbacks() -> LifecycleCallbacks:
    return LifecycleCallbacks()


@hookimpl(specname="agent_config")
def another_name(settings: Mapping[str, Any]) -> AgentConfig:
    return AgentConfig()


class AsAnObject:
    """An entry point may also name an object with hooks."""

    @hookimpl
    def agent_config(self, settings: Mapping[str, Any]) -> AgentConfig:
        return agent_config(settings)


assert_type(agent_config({"name": "Front desk"}), AgentConfig)
assert_type(lifecycle_callbacks(), LifecycleCallbacks)
assert_type(AsAnObject().agent_config({}), AgentConfig)

agent_config()  # type: ignore[call-arg]
agent_config({}).greet  # type: ignore[attr-defined] # noqa: B018
