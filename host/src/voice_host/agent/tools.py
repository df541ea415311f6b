"""From a customer's function to a tool the model can call: schema, hidden `Session` parameter, thread pool."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor
from contextvars import copy_context
from functools import partial
from typing import Any, get_type_hints

from pydantic import PydanticUserError
from pydantic_ai import RunContext, Tool
from pydantic_ai.exceptions import UserError

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
        return Tool(_with_context(candidate, executor), takes_ctx=True, name=candidate.__name__)
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
    """Wrap `function` so that it takes a `RunContext` first and gets the session where it asks for one."""
    hints = get_type_hints(function, include_extras=True)
    signature = inspect.signature(function)
    session_parameters = [name for name in signature.parameters if _is_session(hints.get(name))]
    visible = {name: p for name, p in signature.parameters.items() if name not in session_parameters}
    is_async = inspect.iscoroutinefunction(function)

    async def call(ctx: RunContext[Session], *args: Any, **kwargs: Any) -> Any:
        kwargs.update(dict.fromkeys(session_parameters, ctx.deps))
        if is_async:
            return await function(*args, **kwargs)
        work = partial(copy_context().run, partial(function, *args, **kwargs))
        result = await asyncio.get_running_loop().run_in_executor(executor, work)
        return await result if inspect.isawaitable(result) else result  # an async function behind a plain wrapper

    context = inspect.Parameter("ctx", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=RunContext[Session])
    shown = [p.replace(annotation=hints.get(name, Any)) for name, p in visible.items()]
    call.__name__ = function.__name__
    call.__qualname__ = getattr(function, "__qualname__", function.__name__)
    call.__doc__ = inspect.getdoc(function)
    call.__annotations__ = {"ctx": RunContext[Session], **{p.name: p.annotation for p in shown}, "return": Any}
    call.__signature__ = signature.replace(  # type: ignore[attr-defined]
        parameters=[context, *shown], return_annotation=Any
    )
    return call


def _is_session(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, Session)
