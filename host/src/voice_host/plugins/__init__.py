"""Finding the installed agents and taking them to their first call. A broken one is an outcome, not an exception."""

from voice_host.plugins.compatibility import sdk_mismatch, sdk_version
from voice_host.plugins.expected import AbsentAgent, absent_agents, not_installed, nothing_to_run, unread_settings
from voice_host.plugins.guard import function_place
from voice_host.plugins.load import load_agent, load_agents
from voice_host.plugins.metadata import discover_agents
from voice_host.plugins.phases import SLOW_IMPORT_MS, BrokenAgent, DisabledAgent, DiscoveredAgent, LoadedAgent, Phase
from voice_host.plugins.requirements import violations
from voice_host.plugins.start import start_agent, stop_agent
from voice_host.plugins.validate import InvalidReturn, valid_callbacks, valid_config

__all__ = [
    "SLOW_IMPORT_MS",
    "AbsentAgent",
    "BrokenAgent",
    "DisabledAgent",
    "DiscoveredAgent",
    "InvalidReturn",
    "LoadedAgent",
    "Phase",
    "absent_agents",
    "discover_agents",
    "function_place",
    "load_agent",
    "load_agents",
    "not_installed",
    "nothing_to_run",
    "sdk_mismatch",
    "sdk_version",
    "start_agent",
    "stop_agent",
    "unread_settings",
    "valid_callbacks",
    "valid_config",
    "violations",
]
