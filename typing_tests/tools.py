"""Tools stay the functions they are, decorated or not."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, assert_type

from pydantic_ai import RunContext, Tool

from voice_host_sdk import AgentConfig, Session, ToolOptions, tool, tool_options


@tool
def plain(day: str) -> int:
    """Count."""
    return len(day)


@tool(timeout_s=5, on_interrupt="finish", terminal=True)
async def book(session: Session, name: str, guests: int = 2) -> str:
    """Book a table."""
    session.state["booking"] = name
    await session.say("One moment.")
    await session.end("done")
    if session.caller is not None:
        assert_type(session.caller.identity, str)
    return name


async def of_the_model_library(ctx: RunContext[Session], name: str) -> str:
    """Look it up."""
    return str(ctx.deps.metadata.get(name))


class Desk:
    @tool(on_interrupt="detach")
    async def remember(self, session: Session, what: str) -> None:
        """Remember it."""
        session.state[what] = True


AgentConfig(tools=[plain, book, Desk().remember, Tool(of_the_model_library)])

assert_type(plain("friday"), int)
assert_type(tool_options(book), ToolOptions)
as_typed: Callable[..., Awaitable[str]] = book


async def use(session: Session) -> None:
    assert_type(await book(session, "Kim", guests=4), str)
    await book(session, 7)  # type: ignore[arg-type]
    await book(session)  # type: ignore[call-arg]
    session.say("Hello.")  # type: ignore[unused-coroutine]
    await session.say(7)  # type: ignore[arg-type]
    await session.divert("+49 30 1234")  # type: ignore[attr-defined]
    session.metadata["name"] = "Kim"  # type: ignore[index]


tool(timeout_s="5")  # type: ignore[call-overload]
tool(on_interrupt="later")  # type: ignore[call-overload]
tool(retries=3)  # type: ignore[call-overload]
ToolOptions(on_interrupt="later")  # type: ignore[arg-type]
not_a_tool: Any = tool(5)  # type: ignore[call-overload]
