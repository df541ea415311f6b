"""Makes tools of a plugin's functions: schema, hidden `Session` parameter, thread pool."""

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

from voice_host.conversation.tool_results import collect, to_jsonable
from voice_host.conversation.tool_signature import documentation, tool_signature
from voice_host.conversation.tool_work import JsonableResult, run_in_thread
from voice_host_sdk import Session, ToolOptions, tool_name, tool_options


class ToolWithoutSchema(Exception):
    """No schema can be made of a tool's signature. `function` is the plugin's function."""

    def __init__(self, candidate: Any, reason: str) -> None:
        super().__init__(f"the tool {tool_name(candidate)!r} cannot be offered to the model: {reason}")
        self.function = candidate.function if isinstance(candidate, Tool) else candidate


def build_tool(candidate: Any, executor: Executor) -> Tool[Session]:
    """Return the pydantic-ai tool for a function; a `pydantic_ai.Tool` is returned unchanged.

    Args:
        candidate: a sync or async function, or a `pydantic_ai.Tool`.
        executor: runs sync functions.

    Raises:
        ToolWithoutSchema: no schema can be made of the function's signature.
    """
    if isinstance(candidate, Tool):
        return candidate
    try:
        return Tool(_with_context(candidate, executor), takes_ctx=True, name=tool_name(candidate))
    except (UserError, PydanticUserError, NameError, TypeError, ValueError) as error:
        # From pydantic, pydantic-ai and `inspect`.
        raise ToolWithoutSchema(candidate, str(error).partition("\n")[0]) from error


def options_of(candidate: Any) -> ToolOptions:
    """Return the options given with `@tool`; the timeout of a `pydantic_ai.Tool` counts if `@tool` has none."""
    if isinstance(candidate, Tool):
        options = tool_options(candidate.function)
        if options.timeout_s is None and candidate.timeout is not None:
            return ToolOptions(candidate.timeout, options.on_interrupt, options.terminal)
        return options
    return tool_options(candidate)


def _with_context(function: Callable[..., Any], executor: Executor) -> Callable[..., Coroutine[Any, Any, Any]]:
    """Wrap `function`: the wrapper takes a `RunContext` first, passes the session on and converts the result."""
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
    """Call a sync function in its thread, and read its result there: generators run the tool's code."""
    result = function(*args, **kwargs)
    return result if inspect.isawaitable(result) or hasattr(result, "__aiter__") else _jsonable(result)


async def _result(result: Any) -> Any:
    """Convert a result. A sync wrapper around an async function returns an awaitable."""
    if isinstance(result, JsonableResult):
        return result
    if inspect.isawaitable(result):
        result = await result
    if hasattr(result, "__aiter__"):
        result = await collect(aiter(result))
    return _jsonable(result)


def _jsonable(result: Any) -> Any:
    return result if isinstance(result, ToolReturn) else JsonableResult(to_jsonable(result))
