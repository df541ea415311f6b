"""Runs tools: time limits, errors as results for the model, and interruptions."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from concurrent.futures import Executor
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Literal

from pydantic import ValidationError
from pydantic_ai import Agent, ModelRetry, RunContext, ToolReturn
from pydantic_ai.exceptions import ApprovalRequired, CallDeferred, ToolFailed
from pydantic_ai.toolsets import ToolsetTool, WrapperToolset

from voice_host.clock import now_s
from voice_host.conversation.tool_results import collect, to_jsonable
from voice_host.conversation.tool_work import JsonableResult, ToolOutcome, ToolWork, current_work, failed
from voice_host.conversation.turn import active_turn
from voice_host.observability.logs import get_logger
from voice_host.plain_data import valid_unicode
from voice_host.tenancy import PluginTimeout, attributed_to, contained, isolated, type_of
from voice_host_sdk import Session, ToolOptions

log = get_logger(__name__)


@dataclass
class PolicyToolset(WrapperToolset[Session]):
    """Runs each tool of an agent according to its `ToolOptions`.

    Whatever a tool does, the model gets a result that it can speak about, and the call goes on.
    """

    agent_id: str = ""
    options: Mapping[str, ToolOptions] = field(default_factory=dict)
    default_timeout_s: float = 20.0
    threads: Executor | None = None
    """Runs sync functions that were given as `pydantic_ai.Tool`."""

    async def get_tools(self, ctx: RunContext[Session]) -> dict[str, ToolsetTool[Session]]:
        tools = await contained(partial(super().get_tools, ctx))  # a `pydantic_ai.Tool` may have a `prepare` function
        return {name: replace(tool, args_validator=_Arguments(name, tool)) for name, tool in tools.items()}

    async def call_tool(
        self, name: str, tool_args: dict[str, Any], ctx: RunContext[Session], tool: ToolsetTool[Session]
    ) -> Any:
        options = self.options.get(name, ToolOptions())
        turn = active_turn.get()
        if options.terminal and turn is not None and not turn.alive:
            raise ToolFailed(f"{name} was not done: the caller interrupted.")

        if turn is not None:
            ctx = replace(ctx, prompt=turn.prompt)  # the run may have been begun before the words were known
        work = ToolWork(ctx.tool_call_id or name, name, tool_args, turn)
        running = self._run(name, tool_args, ctx, tool, options, work)
        if turn is None or options.on_interrupt == "cancel":
            outcome = await running
        else:
            # The tool's task goes on if the reply is cancelled.
            outcome = await asyncio.shield(turn.run_independently(work, running, options.on_interrupt))
        if turn is not None and ctx.tool_call_id:
            turn.outcomes[ctx.tool_call_id] = outcome
        if outcome.failure is not None:
            raise outcome.failure
        return outcome.result

    async def _run(
        self,
        name: str,
        tool_args: dict[str, Any],
        ctx: RunContext[Session],
        tool: ToolsetTool[Session],
        options: ToolOptions,
        work: ToolWork,
    ) -> ToolOutcome:
        token = current_work.set(work)
        started = now_s()
        try:
            outcome = await self._outcome(name, partial(super().call_tool, name, tool_args, ctx, tool), options)
        finally:
            current_work.reset(token)
        outcome.duration_ms = (now_s() - started) * 1000
        return outcome

    async def _outcome(self, name: str, call: Any, options: ToolOptions) -> ToolOutcome:
        timeout_s = options.timeout_s or self.default_timeout_s

        async def run() -> Any:
            pool = Agent.using_thread_executor(self.threads) if self.threads else nullcontext()
            with pool:
                return await _jsonable(await attributed_to(self.agent_id, call))

        try:
            return ToolOutcome(await isolated(run, name=f"tool-{name}", timeout_s=timeout_s))
        except (ModelRetry, ToolFailed) as error:
            message = valid_unicode(str(error.message))
            return ToolOutcome(message, failure=type(error)(message))
        except PluginTimeout:
            # The thread of a sync tool cannot be stopped: it goes on, and its result is dropped.
            log.warning("tool_timed_out", agent_id=self.agent_id, tool=name, timeout_s=timeout_s)
            message = f"{name} took longer than {timeout_s:g} seconds and was given up. It may have been done."
            return failed(message, timed_out=True)
        except Exception as error:
            log.warning("tool_failed", agent_id=self.agent_id, tool=name, exc_info=error)
            return failed(f"{name} failed ({type_of(error)}).")


async def _jsonable(result: Any) -> Any:
    """Return a tool's result as JSON's types. Functions of a `pydantic_ai.Tool` are not wrapped by `build_tool`."""
    if isinstance(result, JsonableResult):
        return result.value
    if isinstance(result, ToolReturn):
        content = result.content
        if content is not None:
            content = valid_unicode(content) if isinstance(content, str) else [_text_or_file(part) for part in content]
        value = await _jsonable(result.return_value)
        return replace(result, return_value=value, content=content, metadata=to_jsonable(result.metadata))
    if hasattr(result, "__aiter__"):
        result = await collect(aiter(result))
    return to_jsonable(result)


def _text_or_file(part: Any) -> Any:
    return valid_unicode(part) if isinstance(part, str) else part


class _Arguments:
    """Validates the arguments of a tool call (stands in for pydantic's `SchemaValidator`).

    Some models write `null` for no arguments. Validators of the plugin may raise anything: the model is then asked for
    other arguments.
    """

    def __init__(self, name: str, tool: ToolsetTool[Session]) -> None:
        self._name = name
        self._validator = tool.args_validator

    def validate_json(
        self,
        input: str | bytes | bytearray,  # noqa: A002 - pydantic's name
        *,
        allow_partial: Literal["off", "on", "trailing-strings"] | bool = False,
        **options: Any,
    ) -> Any:
        text = input if isinstance(input, str) else bytes(input).decode("utf-8", "replace")
        given = "{}" if text.strip() in ("", "null") else text
        return self._checked(self._validator.validate_json, given, {"allow_partial": allow_partial, **options})

    def validate_python(
        self,
        input: Any,  # noqa: A002 - pydantic's name
        *,
        allow_partial: Literal["off", "on", "trailing-strings"] | bool = False,
        **options: Any,
    ) -> Any:
        given = {} if input is None else input
        return self._checked(self._validator.validate_python, given, {"allow_partial": allow_partial, **options})

    def _checked(self, check: Any, given: Any, options: dict[str, Any]) -> Any:
        try:
            return check(given, **options)
        except (ValidationError, ModelRetry, ToolFailed, CallDeferred, ApprovalRequired):
            raise
        except BaseException as error:
            log.warning("tool_arguments_not_checked", tool=self._name, error=type(error).__name__, exc_info=error)
            raise ModelRetry(f"The arguments of {self._name} cannot be checked: try others.") from error
