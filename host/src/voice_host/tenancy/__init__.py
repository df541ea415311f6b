"""Many agents in one process: which agent runs, what its code may raise, its threads, and code that blocks the loop."""

from voice_host.tenancy.attribution import CodeOwners, attributed_agent, attributed_to
from voice_host.tenancy.boundary import (
    PluginError,
    PluginTimeout,
    contained,
    isolated,
    not_counted,
    raised_by,
    type_of,
)
from voice_host.tenancy.lookups import look_up
from voice_host.tenancy.threads import AgentThreads, pool_for
from voice_host.tenancy.watchdog import LoopWatchdog, watching

__all__ = [
    "AgentThreads",
    "CodeOwners",
    "LoopWatchdog",
    "PluginError",
    "PluginTimeout",
    "attributed_agent",
    "attributed_to",
    "contained",
    "isolated",
    "look_up",
    "not_counted",
    "pool_for",
    "raised_by",
    "type_of",
    "watching",
]
