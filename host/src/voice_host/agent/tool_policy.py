"""How tools are run: time limits, errors that become results, and what an interruption does to them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from concurrent.futures import Executor
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from pydantic_ai import Agent, ModelRetry, RunContext, ToolReturn
from pydantic_ai.exceptions import ToolFailed
from pydantic_ai.toolsets import ToolsetTool, WrapperToolset
from pydantic_core import to_jsonable_python

from voice_host import metrics
from voice_host.agent.callback_runner import being_cancelled
from voice_host.agent.turn import ToolOutcome, active_turn
from voice_host.clock import now_s
from voice_host.logs import get_logger
from voice_host.tenancy import acting_for
from voice_host_sdk import Session, ToolOptions

log = get_logger(__name__)

_PLAIN = (str, int, float, bool, type(None))


@dataclass
class PolicyToolset(WrapperToolset[Session]):
    """Runs every tool of an agent under its `ToolOptions`.

    Whatever a tool does, the model gets a result it can speak about, and the call goes on.
    """

    agent_id: str = ""
    options: Mapping[str, ToolOptions] = field(default_factory=dict)
    default_timeout_s: float = 20.0
    threads: Executor | None = None
    """Where sync functions run that came as a `pydantic_ai.Tool`, as the others do."""

    async def call_tool(
        self, name: str, tool_args: dict[str, Any], ctx: RunContext[Session], tool: ToolsetTool[Session]
    ) -> Any:
        options = self.options.get(name, ToolOptions())
        turn = active_turn.get()
        if options.terminal and turn is not None and not turn.alive:
            raise ToolFailed(f"{name} was not done: the caller interrupted.")

        if turn is not None:
            ctx = replace(ctx, prompt=turn.prompt)  # the run may have been begun before the words were known
        started = now_s()
        work = self._run(name, tool_args, ctx, tool, options)
        if turn is None or options.on_interrupt == "cancel":
            outcome = await work
        else:
            # The reply may be cancelled while this waits; the tool's own task then goes on.
            outcome = await asyncio.shield(turn.keep(ctx.tool_call_id or name, work, options.on_interrupt))
        outcome.duration_ms = (now_s() - started) * 1000
        if turn is not None and ctx.tool_call_id:
            turn.outcomes[ctx.tool_call_id] = outcome
        if outcome.failure is not None:
            raise outcome.failure
        return outcome.result

    async def _run(
        self, name: str, tool_args: dict[str, Any], ctx: RunContext[Session], tool: ToolsetTool[Session], o: ToolOptions
    ) -> ToolOutcome:
        timeout_s = o.timeout_s or self.default_timeout_s
        try:
            pool = Agent.using_thread_executor(self.threads) if self.threads else nullcontext()
            with pool:
                async with asyncio.timeout(timeout_s):
                    run = partial(super().call_tool, name, tool_args, ctx, tool)
                    return ToolOutcome(_speakable(await acting_for(self.agent_id, run)))
        except (ModelRetry, ToolFailed) as error:
            return ToolOutcome(error.message, failure=error)
        except TimeoutError:
            # A sync tool cannot be killed: its thread goes on, and what it returns is dropped.
            metrics.TOOL_TIMEOUTS.labels(self.agent_id, name).inc()
            log.warning("tool_timed_out", agent_id=self.agent_id, tool=name, timeout_s=timeout_s)
            return _failed(f"{name} took longer than {timeout_s:g} seconds and was given up.")
        except (Exception, SystemExit, asyncio.CancelledError) as error:
            if isinstance(error, asyncio.CancelledError) and being_cancelled():
                raise
            # SystemExit in a task would stop the whole event loop, and with it every other call.
            log.warning("tool_failed", agent_id=self.agent_id, tool=name, exc_info=error)
            return _failed(f"{name} failed ({type(error).__name__}).")


def _failed(message: str) -> ToolOutcome:
    return ToolOutcome(message, failure=ToolFailed(message))


def _speakable(result: Any) -> Any:
    """Make sure that a result can be sent to a model; what has no JSON form goes as its `str`."""
    if isinstance(result, (*_PLAIN, ToolReturn)):
        return result
    return to_jsonable_python(result, fallback=str)
