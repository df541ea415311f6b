"""Starting and stopping agents: the callbacks that run once a process."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

from voice_host.plugins.guard import PhaseFailed, failure
from voice_host.plugins.phases import BrokenAgent, LoadedAgent, Phase
from voice_host.tenancy import PluginError, PluginTimeout, acting_for, isolated


async def start_agent(loaded: LoadedAgent, timeout_s: float) -> LoadedAgent | BrokenAgent:
    """Run the agent's `on_startup`. Never raises for what the agent does."""
    return await _run(loaded, Phase.STARTED, "on_startup", loaded.callbacks.on_startup, timeout_s)


async def stop_agent(loaded: LoadedAgent, timeout_s: float) -> LoadedAgent | BrokenAgent:
    """Run the agent's `on_shutdown`, after its last session ended. Never raises for what the agent does."""
    return await _run(loaded, Phase.STOPPED, "on_shutdown", loaded.callbacks.on_shutdown, timeout_s)


async def _run(
    loaded: LoadedAgent, phase: Phase, name: str, callback: Callable[[], Awaitable[None]], timeout_s: float
) -> LoadedAgent | BrokenAgent:
    try:
        work = partial(acting_for, loaded.id, callback)
        await run_once(f"{name} of agent {loaded.id}", phase, name, work, timeout_s)
    except PhaseFailed as failed:
        return failed.outcome(loaded.discovered, loaded.secrets, loaded.import_ms)
    return loaded


async def run_once(
    called: str, phase: Phase, name: str, callback: Callable[[], Awaitable[None]], timeout_s: float
) -> None:
    """Run a callback in a task of its own.

    Args:
        called: what the task is called.
        name: of the callback, for the message.

    Raises:
        PhaseFailed: it raised, or took too long.
    """
    try:
        await isolated(callback, name=called, timeout_s=timeout_s)
    except PluginTimeout as slow:
        hint = "give what it waits for a time limit of its own"
        raise PhaseFailed(phase, f"{name} took longer than {timeout_s:g} s", hint) from slow
    except PluginError as error:
        if isinstance(error.raised, asyncio.CancelledError):
            raise PhaseFailed(phase, f"{name} was cancelled from within") from error
        raise failure(phase, f"{name} failed", error.raised) from error
    except PhaseFailed:
        raise
    except Exception as error:
        raise failure(phase, f"{name} failed", error) from error
