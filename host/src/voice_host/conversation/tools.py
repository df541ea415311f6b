"""From a customer's function to a tool the model can call: schema, hidden `Session` parameter, thread pool."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Coroutine, Mapping, Sequence
from concurrent.futures import Executor
from contextvars import copy_context
from functools import partial
from typing import Any

from pydantic import PydanticUserError
from pydantic_ai import RunContext, Tool, ToolReturn
from pydantic_ai.exceptions import UserError

from voice_host.conversation.tool_results import collected, sendable
from voice_host.conversation.tool_signature import documentation, tool_signature
from voice_host.conversation.tool_work import Sendable, run_in_thread
from voice_host_sdk import Session, ToolOptions, tool_name, tool_options


class ToolWithoutSchema(Exception):
    """No schema can be made of a tool's signature, so no model can call it. `function` is what the customer wrote."""

    def __init__(self, candidate: Any, reason: str) -> None:
        super().__init__(f"the tool {tool_name(candidate)!r} cannot be offered to the model: {reason}")
        self.function = candidate.function if isinstance(candidate, Tool) else candidate


def build_tool(candidate: Any, executor: Executor) -> Tool[Session]:
    """Return the pydantic-ai tool for a plain function; a `pydantic_ai.Tool` is returned as it is.

    Args:
        candidate: a sync or async function, or a `pydantic_ai.Tool`.
        executor: where sync functions run.

    Raises:
        ToolWithoutSchema: no schema can be made of the function's signature.
    """
    if isinstance(candidate, Tool):
        return candidate
    try:
        return Tool(_with_context(candidate, executor), takes_ctx=True, name=tool_name(candidate))
    except (UserError, PydanticUserError, NameError, TypeError, ValueError) as error:
        # What pydantic, pydantic-ai and the inspection of signatures raise.
        raise ToolWithoutSchema(candidate, str(error).partition("\n")[0]) from error


def options_of(candidate: Any) -> ToolOptions:
    """Return what the author said with `@tool`; for a `pydantic_ai.Tool` its own timeout counts."""
    if isinstance(candidate, Tool):
        options = tool_options(candidate.function)
        if options.timeout_s is None and candidate.timeout is not None:
            return ToolOptions(candidate.timeout, options.on_interrupt, options.terminal)
        return options
    return tool_options(candidate)


def _with_context(function: Callable[..., Any], executor: Executor) -> Callable[..., Coroutine[Any, Any, Any]]:
    """Wrap `function` so that it takes a `RunContext` first, gets the session, and returns what can be sent."""
    signature = tool_signature(function)

    async def call(ctx: RunContext[Session], /, **given: Any) -> Any:
        args, kwargs = signature.bind(ctx.deps, given)
        if _is_async(function):
            return await _result(await function(*args, **kwargs))
        work = partial(copy_context().run, _call, function, args, kwargs)
        return await _result(await run_in_thread(executor, work))

    call.__name__ = tool_name(function)
    call.__qualname__ = getattr(function, "__qualname__", tool_name(function))
    call.__doc__ = documentation(function)
    call.__annotations__ = {p.name: p.annotation for p in signature.shown.parameters.values()} | {"return": Any}
    call.__signature__ = signature.shown  # type: ignore[attr-defined]
    return call


def _is_async(function: Callable[..., Any]) -> bool:
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(getattr(function, "__call__", None))  # noqa: B004


def _call(function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """Call a plain function in its thread, where what its result does when it is read may run, too."""
    result = function(*args, **kwargs)
    return result if inspect.isawaitable(result) or hasattr(result, "__aiter__") else _plain(result)


async def _result(result: Any) -> Any:
    """Return a result as it can be sent. A plain wrapper around an async function returns what is to be awaited."""
    if isinstance(result, Sendable):
        return result
    if inspect.isawaitable(result):
        result = await result
    if hasattr(result, "__aiter__"):
        result = await collected(aiter(result))
    return _plain(result)


def _plain(result: Any) -> Any:
    return result if isinstance(result, ToolReturn) else Sendable(sendable(result))
