"""Thread pools of agents, so that no agent can use up the threads of another."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

from voice_host.tenancy.attribution import attributed_agent
from voice_host.tenancy.boundary import PluginError
from voice_host.tenancy.lookups import close_lookups

_Result = TypeVar("_Result")

THREADS_PER_AGENT = 8
"""For the sync tools of one agent, and as many for what its async code runs in threads itself."""


class PluginThreads(ThreadPoolExecutor):
    """Threads for a plugin's functions.

    asyncio cannot pass on a `StopIteration` from a thread: on Python 3.11 the awaiting task never resumes. It becomes a
    `PluginError`.
    """

    def submit(self, fn: Callable[..., _Result], /, *args: Any, **kwargs: Any) -> Future[_Result]:
        """Run `fn` in one of the threads."""
        return super().submit(_without_stop_iteration, fn, *args, **kwargs)


def _without_stop_iteration(function: Callable[..., _Result], *args: Any, **kwargs: Any) -> _Result:
    try:
        return function(*args, **kwargs)
    except StopIteration as error:
        raise PluginError(error) from error


def pool_for(agent_id: str) -> PluginThreads:
    """Return a pool for one agent. The process does not wait for threads of this name when it exits."""
    return PluginThreads(THREADS_PER_AGENT, thread_name_prefix=f"tools-{agent_id}")


class AgentThreads(ThreadPoolExecutor):
    """The event loop's default executor: a pool for the host's own work, and one for each agent.

    `asyncio.to_thread` goes to the default executor. With one for all, a few slow requests of one agent's tools would
    keep the host itself from reading its key file. Names are looked up in threads of their own (`look_up`).
    """

    def __init__(self) -> None:
        super().__init__(thread_name_prefix="host")
        self._pools: dict[str, ThreadPoolExecutor] = {}

    def submit(self, fn: Callable[..., _Result], /, *args: Any, **kwargs: Any) -> Future[_Result]:
        """Run `fn` in a thread of the agent that the current code is attributed to, or of the host."""
        agent_id = attributed_agent()
        if agent_id is None:
            return super().submit(fn, *args, **kwargs)
        if agent_id not in self._pools:
            self._pools[agent_id] = pool_for(agent_id)
        return self._pools[agent_id].submit(fn, *args, **kwargs)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Wait only for the host's own work: an agent's thread may never end."""
        for pool in self._pools.values():
            pool.shutdown(wait=False, cancel_futures=True)
        close_lookups()
        super().shutdown(wait, cancel_futures=cancel_futures)
