"""The plugin engine: finds, loads, starts and stops agents and extensions. Broken ones are results, not exceptions.

Importing it loads neither the agent runtime nor any speech service or model.
"""

from voice_host.plugins.agents import disabled, load_agent, load_agents, load_if_enabled, start_agent, stop_agent
from voice_host.plugins.discovery import discover_agents, discover_extensions
from voice_host.plugins.environment import EnvironmentMetadata, NoEnvironment, installed_agents, read_environment
from voice_host.plugins.extensions import (
    Extensions,
    ExtensionsBroken,
    Offer,
    load_built_in,
    load_extensions,
    start_extension,
    stop_extension,
)
from voice_host.plugins.guard import function_place
from voice_host.plugins.kinds import HOST_EXTENSION
from voice_host.plugins.phases import (
    BrokenAgent,
    BrokenExtension,
    BrokenPlugin,
    DisabledAgent,
    DiscoveredAgent,
    DiscoveredExtension,
    DiscoveredPlugin,
    LoadedAgent,
    LoadedExtension,
    LoadedPlugin,
    Phase,
)
from voice_host.plugins.requirements import sdk_mismatch, sdk_version, violations
from voice_host.plugins.settings_check import (
    AbsentAgent,
    absent_agents,
    not_installed,
    nothing_to_run,
    unread_settings,
)
from voice_host.plugins.validate import InvalidReturn, valid_config

__all__ = [
    "HOST_EXTENSION",
    "AbsentAgent",
    "BrokenAgent",
    "BrokenExtension",
    "BrokenPlugin",
    "DisabledAgent",
    "DiscoveredAgent",
    "DiscoveredExtension",
    "DiscoveredPlugin",
    "EnvironmentMetadata",
    "Extensions",
    "ExtensionsBroken",
    "InvalidReturn",
    "LoadedAgent",
    "LoadedExtension",
    "LoadedPlugin",
    "NoEnvironment",
    "Offer",
    "Phase",
    "absent_agents",
    "disabled",
    "discover_agents",
    "discover_extensions",
    "function_place",
    "installed_agents",
    "load_agent",
    "load_agents",
    "load_built_in",
    "load_extensions",
    "load_if_enabled",
    "not_installed",
    "nothing_to_run",
    "read_environment",
    "sdk_mismatch",
    "sdk_version",
    "start_agent",
    "start_extension",
    "stop_agent",
    "stop_extension",
    "unread_settings",
    "valid_config",
    "violations",
]
