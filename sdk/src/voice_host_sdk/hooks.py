"""The hooks a plugin implements. Synchronous: they only return objects."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pluggy

from voice_host_sdk.agent_config import AgentConfig
from voice_host_sdk.callbacks import LifecycleCallbacks

ENTRY_POINT_GROUP = "voice_host.agents"
"""Entry points of this group name a module with hook implementations; the entry point's name is the agent's id."""

AGENT_ID_PATTERN = r"[a-z0-9][a-z0-9-]{0,62}"

PROJECT_NAME = "voice_host"
"""The pluggy project name that hook specifications and implementations share."""

hookspec = pluggy.HookspecMarker(PROJECT_NAME)
hookimpl = pluggy.HookimplMarker(PROJECT_NAME)


@hookspec(firstresult=True)
def agent_config(settings: Mapping[str, Any]) -> AgentConfig:  # type: ignore[empty-body]
    """Return the agent's configuration. Required.

    Args:
        settings: the table `[agent.<id>.settings]` of the host's configuration, secrets resolved. Read only.
    """


@hookspec(firstresult=True)
def lifecycle_callbacks(settings: Mapping[str, Any]) -> LifecycleCallbacks:  # type: ignore[empty-body]
    """Return the agent's callbacks. Optional."""
