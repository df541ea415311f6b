"""Threads that one agent cannot take from another."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

from voice_host.tenancy.acting import acting_agent
from voice_host.tenancy.boundary import PluginError
from voice_host.tenancy.lookups import close_lookups

_Result = TypeVar("_Result")

THREADS_PER_AGENT = 8
"""Threads for the sync tools of one agent, and as many for what its async code hands to threads itself."""


class PluginThreads(ThreadPoolExecutor):
    """Threads for a plugin's functions.

    asyncio cannot pass a `StopIteration` on from a thread: on Python 3.11 whoever waits for the result waits for ever.
    It comes out as a `PluginError`.
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
    """Return a pool for one agent. By their names the process knows threads that it need not wait for."""
    return PluginThreads(THREADS_PER_AGENT, thread_name_prefix=f"tools-{agent_id}")


class AgentThreads(ThreadPoolExecutor):
    """The event loop's default executor: the host's own work in the pool itself, each agent's in one of its own.

    `asyncio.to_thread` goes to the default executor. With one for all, a few slow requests of one agent's tools would
    keep the host itself from reading its key file. Names are looked up in threads of their own (`look_up`).
    """

    def __init__(self) -> None:
        super().__init__(thread_name_prefix="host")
        self._pools: dict[str, ThreadPoolExecutor] = {}

    def submit(self, fn: Callable[..., _Result], /, *args: Any, **kwargs: Any) -> Future[_Result]:
        """Run `fn` in a thread of whoever asks."""
        agent_id = acting_agent()
        if agent_id is None:
            return super().submit(fn, *args, **kwargs)
        if agent_id not in self._pools:
            self._pools[agent_id] = pool_for(agent_id)
        return self._pools[agent_id].submit(fn, *args, **kwargs)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Wait for the host's own work alone: an agent's thread may never end."""
        for pool in self._pools.values():
            pool.shutdown(wait=False, cancel_futures=True)
        close_lookups()
        super().shutdown(wait, cancel_futures=cancel_futures)
