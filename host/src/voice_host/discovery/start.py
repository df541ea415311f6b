"""Starting and stopping agents: the callbacks that run once a process."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from functools import partial

from voice_host.discovery.guard import PhaseFailed, guarded
from voice_host.discovery.phases import BrokenAgent, LoadedAgent, Phase
from voice_host.tenancy import acting_for

log = logging.getLogger(__name__)

_CANCEL_GRACE_S = 1.0


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

    async def run() -> PhaseFailed | None:
        # Caught in here: a SystemExit that leaves a task stops the whole event loop.
        try:
            with guarded(phase, f"{name} failed", passing=(asyncio.CancelledError, GeneratorExit)):
                await callback()
        except PhaseFailed as failed:
            return failed
        return None

    task = asyncio.create_task(run(), name=called)
    try:
        done, _ = await asyncio.wait({task}, timeout=timeout_s)
    except asyncio.CancelledError:
        await _cancel(task)
        raise
    if not done:
        await _cancel(task)
        hint = "give what it waits for a time limit of its own"
        raise PhaseFailed(phase, f"{name} took longer than {timeout_s:g} s", hint)
    if task.cancelled():
        raise PhaseFailed(phase, f"{name} was cancelled from within")
    failed = task.result()
    if failed is not None:
        raise failed


async def _cancel(task: asyncio.Task[PhaseFailed | None]) -> None:
    """Cancel, and wait; but not for ever for code that ignores it."""
    task.cancel()
    _, ignoring = await asyncio.wait({task}, timeout=_CANCEL_GRACE_S)
    if ignoring:
        log.warning("%s ignores being cancelled and is left behind", task.get_name())
