"""Many agents in one process: whose code runs, what it may raise, whose threads it uses, and who holds everybody up."""

from voice_host.tenancy.acting import acting_agent, acting_for
from voice_host.tenancy.boundary import PluginError, PluginTimeout, contained, isolated, raised_by, type_of
from voice_host.tenancy.lookups import look_up
from voice_host.tenancy.owners import CodeOwners
from voice_host.tenancy.threads import AgentThreads, pool_for
from voice_host.tenancy.watchdog import LoopWatchdog, watching

__all__ = [
    "AgentThreads",
    "CodeOwners",
    "LoopWatchdog",
    "PluginError",
    "PluginTimeout",
    "acting_agent",
    "acting_for",
    "contained",
    "isolated",
    "look_up",
    "pool_for",
    "raised_by",
    "type_of",
    "watching",
]
