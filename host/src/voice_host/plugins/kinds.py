"""The two kinds of plugin, agents and extensions, and everything in which the plugin engine treats them differently."""

from __future__ import annotations

from dataclasses import dataclass
from types import ModuleType
from typing import Generic, TypeVar

import voice_host_sdk.extensions
import voice_host_sdk.hooks
from voice_host.plugins.phases import (
    BrokenAgent,
    BrokenExtension,
    BrokenPlugin,
    DiscoveredAgent,
    DiscoveredExtension,
    DiscoveredPlugin,
)
from voice_host_sdk import ENTRY_POINT_GROUP, EXTENSION_ENTRY_POINT_GROUP, EXTENSIONS_PROJECT_NAME, PROJECT_NAME

HOST_EXTENSION = "voice-host"
"""The name of the built-in extension, which offers the host's own speech services."""

_Discovered = TypeVar("_Discovered", bound=DiscoveredPlugin)
_Broken = TypeVar("_Broken", bound=BrokenPlugin)


@dataclass(frozen=True)
class PluginKind(Generic[_Discovered, _Broken]):
    """One kind of plugin.

    Attributes:
        noun: what a plugin of this kind is called in messages; `name_noun` is what its name is called.
        group: the group of its entry points.
        project: the pluggy project of its hooks.
        hookspecs: the module with the hook specifications.
        hooks: the names of the hooks.
        required: the hook that every plugin must implement; None: any hook will do.
        arguments: the arguments a hook may take.
        marker: the decorator that marks a hook.
        async_place: where code that has to be awaited belongs, since hooks are synchronous.
        reserved: names that no plugin may have.
    """

    noun: str
    name_noun: str
    group: str
    project: str
    hookspecs: ModuleType
    hooks: tuple[str, ...]
    required: str | None
    arguments: tuple[str, ...]
    marker: str
    async_place: str
    discovered: type[_Discovered]
    broken: type[_Broken]
    reserved: frozenset[str] = frozenset()


AGENT = PluginKind(
    noun="agent",
    name_noun="an agent id",
    group=ENTRY_POINT_GROUP,
    project=PROJECT_NAME,
    hookspecs=voice_host_sdk.hooks,
    hooks=("agent_config", "lifecycle_callbacks"),
    required="agent_config",
    arguments=("settings",),
    marker="@hookimpl",
    async_place="on_startup of the lifecycle callbacks",
    discovered=DiscoveredAgent,
    broken=BrokenAgent,
)

EXTENSION = PluginKind(
    noun="extension",
    name_noun="an extension's name",
    group=EXTENSION_ENTRY_POINT_GROUP,
    project=EXTENSIONS_PROJECT_NAME,
    hookspecs=voice_host_sdk.extensions,
    hooks=(
        "authenticator",
        "register_routes",
        "speech_to_text_providers",
        "text_to_speech_providers",
        "session_observer",
    ),
    required=None,
    arguments=("settings", "app"),
    marker="@extensionimpl",
    async_place="a method of the object that the hook returns",
    discovered=DiscoveredExtension,
    broken=BrokenExtension,
    reserved=frozenset({HOST_EXTENSION}),
)
