"""Tools of one conversation: which run, in which thread, and what becomes of them when they are interrupted."""

from __future__ import annotations

import asyncio
import functools
import threading
from typing import Any
from unittest.mock import AsyncMock

import pytest
from pydantic_ai import RunContext, Tool
from pydantic_ai.models.function import DeltaToolCall

from tests.conversation.models import ScriptedModel
from tests.conversation.observed import everything_else_done, spoken
from voice_host.conversation.events import ToolFinished
from voice_host.conversation.history import (
    NO_RESULT,
    STILL_RUNNING,
)
from voice_host.conversation.turn import active_turn
from voice_host.conversation.voice_agent import VoiceAgent
from voice_host.sessions.live_session import LiveSession
from voice_host_sdk import AgentConfig, Session, tool


async def test_tools_of_every_kind_run_and_the_session_is_hidden_from_the_model() -> None:
    def sync_tool(number: int) -> str:
        """Double.

        Args:
            number: what to double
        """
        return f"{number * 2} in {threading.current_thread().name.split('_')[0]}"

    async def async_tool(session: Session, word: str = "x") -> dict[str, Any]:
        """Remember."""
        session.state["word"] = word
        return {"seen": session.agent_id, "odd": object}

    async def context_tool(ctx: RunContext[Session]) -> str:
        """Look."""
        return ctx.deps.state["word"]

    model = ScriptedModel(
        ("sync_tool", {"number": 21}), ("async_tool", {"word": "blue"}), ("context_tool", {}), "All done."
    )
    config = AgentConfig(tools=(sync_tool, async_tool, Tool(context_tool)))
    agent = VoiceAgent(runtime=model.runtime(config))
    finished: list[ToolFinished] = []

    async def note(event: Any) -> None:
        if isinstance(event, ToolFinished):
            finished.append(event)

    reply = await agent.chat("go", note)
    assert reply.steps == ("Using sync_tool", "Using async_tool", "Using context_tool")
    assert [(f.name, f.ok) for f in finished] == [("sync_tool", True), ("async_tool", True), ("context_tool", True)]
    assert finished[0].result == "42 in tools-scripted"
    assert finished[0].arguments == {"number": 21}
    assert finished[1].result["seen"] == "scripted"
    assert finished[2].result == "blue"
    (schema,) = [offered.parameters_json_schema for offered in model.offered[0] if offered.name == "async_tool"]
    assert list(schema["properties"]) == ["word"]
    await agent.aclose()


async def test_tools_of_one_step_run_side_by_side() -> None:
    both = asyncio.Barrier(2)

    async def one() -> str:
        """One."""
        await both.wait()
        return "1"

    async def two() -> str:
        """Two."""
        await both.wait()
        return "2"

    class TwoCalls(ScriptedModel):
        async def stream(self, messages: Any, info: Any) -> Any:
            self.requests.append(messages)
            if len(self.requests) == 1:
                yield {i: DeltaToolCall(name, "{}", tool_call_id=name) for i, name in enumerate(["one", "two"])}
            else:
                yield "Both."

    agent = VoiceAgent(runtime=TwoCalls().runtime(AgentConfig(tools=(one, two))))
    async with asyncio.timeout(10):
        assert (await agent.chat("go")).text == "Both."
    await agent.aclose()


@pytest.mark.parametrize("how", ["cancel", "finish", "detach"])
async def test_on_interrupt(how: str) -> None:
    started, release = asyncio.Event(), asyncio.Event()
    done: list[str] = []

    @tool(on_interrupt=how)  # type: ignore[arg-type]
    async def work() -> str:
        """Work."""
        started.set()
        await release.wait()
        done.append("done")
        return "worked"

    agent = VoiceAgent(runtime=ScriptedModel(("work", {}), "Next.").runtime(AgentConfig(tools=(work,))))
    chatting = asyncio.create_task(agent.chat("go"))
    await started.wait()
    cancelling = asyncio.create_task(agent.cancel())
    await asyncio.sleep(0)
    if how == "finish":
        release.set()
    await cancelling
    await chatting
    if how == "finish":
        assert spoken(agent) == ["user: go", "tool: worked"]
    else:
        assert spoken(agent) == ["user: go", f"tool: {STILL_RUNNING if how == 'detach' else NO_RESULT}"]
        release.set()
    if how == "detach":
        await everything_else_done()
        assert spoken(agent) == ["user: go", "tool: worked"]
    await agent.aclose()
    assert done == ([] if how == "cancel" else ["done"])


@pytest.mark.parametrize("fails", [False, True])
async def test_a_thread_that_cannot_be_stopped_tells_what_it_did(fails: bool) -> None:
    started, release = threading.Event(), threading.Event()
    told: list[ToolFinished] = []

    def book() -> str:
        """Book."""
        started.set()
        assert release.wait(60)
        if fails:
            raise StopIteration
        return "booked\ud83d"

    agent = VoiceAgent(runtime=ScriptedModel(("book", {}), "Next.").runtime(AgentConfig(tools=(book,))))
    turn = agent.begin_turn("go")
    late = asyncio.Event()
    turn.on_late_tool += [told.append, lambda _: late.set()]
    running = asyncio.create_task(turn.run(_nothing))
    await asyncio.to_thread(started.wait, 60)
    running.cancel()
    await asyncio.wait([running])
    await agent.end_turn(turn, "")
    assert spoken(agent) == ["user: go", f"tool: {STILL_RUNNING}"]
    release.set()
    async with asyncio.timeout(60):
        await late.wait()
        await asyncio.sleep(0)
    assert spoken(agent) == ["user: go", "tool: book failed (StopIteration)." if fails else "tool: booked\ufffd"]
    assert [(tool.name, tool.ok) for tool in told] == [("book", not fails)]
    await agent.aclose()


async def _nothing(_: object) -> None:
    """Nobody wants to know."""


async def test_what_is_detached_does_not_outlive_the_agent() -> None:
    started = asyncio.Event()

    @tool(on_interrupt="detach")
    async def work() -> str:
        """Work."""
        started.set()
        await asyncio.Event().wait()
        return "never"

    agent = VoiceAgent(runtime=ScriptedModel(("work", {})).runtime(AgentConfig(tools=(work,))))
    chatting = asyncio.create_task(agent.chat("go"))
    await started.wait()
    await agent.cancel()
    await chatting
    await agent.aclose()
    assert len(asyncio.all_tasks()) == 1


async def test_a_tool_that_outlived_its_reply_neither_speaks_nor_hangs_up() -> None:
    acted: list[str] = []
    started, release = asyncio.Event(), asyncio.Event()

    class Line:
        async def say(self, text: str) -> None:
            acted.append(text)

        async def hang_up(self, reason: str) -> None:
            acted.append(reason)

    @tool(on_interrupt="detach")
    async def work(session: Session) -> str:
        """Work."""
        await session.say("started")
        started.set()
        await release.wait()
        await session.say("too late")
        await session.end("too late")
        return "done"

    session = LiveSession("s", "scripted")
    await session.attach(Line())
    agent = VoiceAgent(runtime=ScriptedModel(("work", {})).runtime(AgentConfig(tools=(work,))), session=session)
    chatting = asyncio.create_task(agent.chat("go"))
    await started.wait()
    await agent.cancel()
    await chatting
    release.set()
    await everything_else_done()
    assert acted == ["started"]
    await agent.aclose()


async def test_a_terminal_tool_needs_a_reply_that_is_alive() -> None:
    paid: list[int] = []
    turns: list[Any] = []

    @tool(terminal=True)
    async def pay() -> str:
        """Pay."""
        paid.append(1)
        return "paid"

    agent = VoiceAgent(runtime=ScriptedModel(("pay", {}), "No.").runtime(AgentConfig(tools=(pay,))))
    turn = agent.begin_turn("pay")
    turns.append(turn)
    turn.alive = False  # the caller interrupted between the model's decision and the tool
    await turn.run(AsyncMock())
    await agent.end_turn(turn)
    assert paid == []
    assert "was not done" in spoken(agent)[1]
    await agent.aclose()


async def test_slow_sync_tools_of_one_agent_do_not_delay_anothers() -> None:
    release = threading.Event()

    def slow() -> str:
        """Block."""
        release.wait(30)
        return "slow"

    def quick() -> str:
        """Answer."""
        return "quick"

    slow_runtime = ScriptedModel(*[("slow", {})] * 40, *["Done."] * 40).runtime(AgentConfig(tools=(slow,)))
    busy = [VoiceAgent(runtime=slow_runtime) for _ in range(40)]
    other = VoiceAgent(runtime=ScriptedModel(("quick", {}), "Done.").runtime(AgentConfig(tools=(quick,))))
    chats = [asyncio.create_task(agent.chat("go")) for agent in busy]
    try:
        async with asyncio.timeout(20):
            assert (await other.chat("go")).text.strip() == "Done."
        assert not any(chat.done() for chat in chats)
    finally:
        release.set()
        await asyncio.gather(*chats)
    for agent in [*busy, other]:
        await agent.aclose()
    await slow_runtime.aclose()


@pytest.mark.parametrize("plain", [True, False])
async def test_a_sync_tool_runs_in_its_agents_threads_with_its_context_and_is_given_up_in_time(plain: bool) -> None:
    release = threading.Event()
    seen: list[Any] = []

    def slow() -> str:
        """Slow."""
        seen.append((threading.current_thread().name.split("_")[0], active_turn.get() is not None))
        release.wait(30)
        return "slow"

    config = AgentConfig(tools=(slow if plain else Tool(slow),), tool_timeout_s=0.1)
    agent = VoiceAgent(runtime=ScriptedModel(("slow", {}), "Done.").runtime(config))
    try:
        async with asyncio.timeout(20):
            assert (await agent.chat("go")).text.strip() == "Done."
    finally:
        release.set()
    assert seen == [("tools-scripted", True)]
    assert "longer than 0.1 seconds" in spoken(agent)[1]
    await agent.aclose()


async def test_an_async_function_behind_a_plain_wrapper_is_awaited() -> None:
    def decorated(function: Any) -> Any:
        @functools.wraps(function)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            return function(*args, **kwargs)

        return wrapper

    @decorated
    async def look() -> str:
        """Look."""
        return "seen"

    agent = VoiceAgent(runtime=ScriptedModel(("look", {}), "Done.").runtime(AgentConfig(tools=(look,))))
    await agent.chat("go")
    assert spoken(agent)[1] == "tool: seen"
    await agent.aclose()
