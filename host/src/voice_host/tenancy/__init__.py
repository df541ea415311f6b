"""Many agents in one process: whose code runs, whose threads it uses, and who holds everybody up."""

from voice_host.tenancy.acting import acting_agent, acting_for
from voice_host.tenancy.owners import CodeOwners
from voice_host.tenancy.threads import AgentThreads, pool_for
from voice_host.tenancy.watchdog import LoopWatchdog, watching

__all__ = ["AgentThreads", "CodeOwners", "LoopWatchdog", "acting_agent", "acting_for", "pool_for", "watching"]
