"""Name resolution in thread pools of agents, so that no agent can use up the threads of another."""

from __future__ import annotations

import asyncio
import socket
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from voice_host.tenancy.attribution import attributed_agent

LOOKUPS_PER_AGENT = 4
"""Names that one agent resolves at once. Further ones wait."""

LOOKUPS_OF_HOST = 16
"""The same for the host itself, which connects to all services of all calls."""

LOOKUP_TIMEOUT_S = 10.0
"""For a look-up and its wait for a thread. The system's resolver takes up to 40 s and cannot be told to stop."""

_pools: dict[str | None, ThreadPoolExecutor] = {}


async def look_up(host: Any, port: Any, **hints: int) -> list[Any]:
    """Return what `socket.getaddrinfo` returns for a name, in a thread of the agent that asks.

    uvloop's own name resolution shares four threads of the whole process, so four names whose servers do not answer
    would keep all agents from connecting to anything. A caller may choose such names, through an agent's tool.

    Args:
        host: a name or an address.
        port: a number or a service's name.
        hints: `family`, `type`, `proto` and `flags`, as of `socket.getaddrinfo`.

    Raises:
        OSError: there is no such name, or it took too long.
        UnicodeError: it can be no name.
    """
    work = partial(socket.getaddrinfo, host, port, **hints)
    try:
        async with asyncio.timeout(LOOKUP_TIMEOUT_S):
            return await asyncio.get_running_loop().run_in_executor(_threads_of(attributed_agent()), work)
    except TimeoutError:
        raise socket.gaierror(socket.EAI_AGAIN, "the name took too long to resolve") from None


def close_lookups() -> None:
    """Let the threads end with their look-ups. They are not waited for."""
    for pool in _pools.values():
        pool.shutdown(wait=False, cancel_futures=True)
    _pools.clear()


def _threads_of(agent_id: str | None) -> ThreadPoolExecutor:
    if agent_id not in _pools:
        most = LOOKUPS_OF_HOST if agent_id is None else LOOKUPS_PER_AGENT
        # The process does not wait for threads of this name when it exits.
        _pools[agent_id] = ThreadPoolExecutor(most, thread_name_prefix=f"tools-names-{agent_id or 'host'}")
    return _pools[agent_id]
