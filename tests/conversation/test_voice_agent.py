"""One conversation: chat, history, tools, interruption."""

from __future__ import annotations

import asyncio
import functools
import threading
from typing import Any
from unittest.mock import AsyncMock

import pytest
from pydantic_ai import RunContext, Tool
from pydantic_ai.messages import ModelRequest, ModelResponse, TextPart, ToolReturnPart, UserPromptPart
from pydantic_ai.models.function import DeltaToolCall

from tests.conversation.models import ScriptedModel
from voice_host.conversation.events import ToolFinished
from voice_host.conversation.history import (
    CUT_MARK,
    FAULT_MARK,
    MAX_MESSAGES,
    NO_RESULT,
    STILL_RUNNING,
    kept_messages,
    trim,
)
from voice_host.conversation.turn import active_turn
from voice_host.conversation.voice_agent import VoiceAgent, VoiceResponse
from voice_host.sessions.live_session import LiveSession
from voice_host_sdk import AgentConfig, Session, tool


def spoken(agent: VoiceAgent) -> list[str]:
    """The conversation as its texts."""
    texts = []
    for message in agent.memory:
        for part in message.parts:
            if isinstance(part, UserPromptPart):
                texts.append(f"user: {part.content}")
            elif isinstance(part, TextPart):
                texts.append(f"agent: {part.content.strip()}")
            elif isinstance(part, ToolReturnPart):
                texts.append(f"tool: {part.content}")
    return texts


async def everything_else_done() -> None:
    """Wait for the tasks that outlive their turn."""
    await asyncio.wait(asyncio.all_tasks() - {asyncio.current_task()})


async def test_chat_answers_and_remembers() -> None:
    model = ScriptedModel("Hello Anna.", "Your name is Anna.")
    agent = VoiceAgent(greeting="Welcome.", runtime=model.runtime())
    assert await agent.greet() == VoiceResponse(agent.greeting) == VoiceResponse("Welcome.")
    reply = await agent.chat("I am Anna")
    assert (reply.text.strip(), reply.steps, reply.interrupted) == ("Hello Anna.", (), False)
    await agent.chat("Who am I?")
    assert spoken(agent)[:3] == ["agent: Welcome.", "user: I am Anna", "agent: Hello Anna."]
    assert len(model.requests[1]) == 4
    await agent.reset()
    assert agent.memory == []
    await agent.aclose()


async def test_what_a_model_thinks_aloud_is_neither_said_nor_kept() -> None:
    model = ScriptedModel("Well.<think>What is the time? <b></think>It is three.", "Yes.")
    agent = VoiceAgent(config=AgentConfig(), runtime=model.runtime())
    assert (await agent.chat("What time is it?")).text.strip() == "Well. It is three."
    await agent.chat("Thanks")
    assert spoken(agent)[1] == "agent: Well. It is three."
    await agent.aclose()


async def test_what_is_said_after_a_tool_and_a_thought_stays_apart_from_what_was_said_before() -> None:
    def look() -> str:
        """Look."""
        return "three"

    class Thinks(ScriptedModel):
        async def stream(self, messages: Any, _: Any) -> Any:
            self.requests.append(messages)
            if len(self.requests) == 1:
                yield "Let me look."
                yield {0: DeltaToolCall("look", "{}", tool_call_id="1")}
            else:
                for piece in ("<think>It ", "says three.</th", "ink>It ", "is three."):
                    yield piece

    agent = VoiceAgent(runtime=Thinks().runtime(AgentConfig(tools=(look,))))
    assert (await agent.chat("What time is it?")).text == "Let me look. It is three."
    await agent.aclose()


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


async def test_cancel_stops_a_chat_and_keeps_the_users_turn() -> None:
    started = asyncio.Event()

    async def forever() -> None:
        started.set()
        await asyncio.Event().wait()

    agent = VoiceAgent(runtime=ScriptedModel(["One two", forever], "Next.").runtime())
    chatting = asyncio.create_task(agent.chat("count"))
    await started.wait()
    await agent.cancel()
    reply = await chatting
    assert reply.interrupted
    assert reply.text.strip() == "One two"
    assert spoken(agent) == ["user: count", f"agent: One two{CUT_MARK}"]
    assert (await agent.chat("go on")).text.strip() == "Next."
    await agent.aclose()


async def test_a_failed_chat_has_an_error_and_leaves_the_users_turn() -> None:
    model = ScriptedModel(ValueError("no"), "Better.")
    agent = VoiceAgent(config=AgentConfig(error_phrase="That did not work."), runtime=model.runtime())
    assert await agent.chat("first") == VoiceResponse("", error="That did not work.")
    assert spoken(agent) == ["user: first"]
    assert (await agent.chat("second")).text.strip() == "Better."
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


def test_trim_forgets_whole_turns() -> None:
    history: list[Any] = []
    for number in range(MAX_MESSAGES):
        history += [ModelRequest(parts=[UserPromptPart(f"{number}")]), ModelResponse(parts=[TextPart("ok")])]
    trim(history)
    assert len(history) <= MAX_MESSAGES
    assert isinstance(history[0].parts[0], UserPromptPart)
    assert history[-1].parts[0].content == "ok"


def test_a_turn_that_was_never_recorded_is_kept() -> None:
    kept = kept_messages([], "hello", "", {})
    assert [part.content for message in kept for part in message.parts] == ["hello"]  # type: ignore[union-attr]


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


async def test_a_second_chat_waits_for_what_the_first_one_must_finish() -> None:
    started, release = asyncio.Event(), asyncio.Event()

    @tool(on_interrupt="finish")
    async def book() -> str:
        """Book."""
        started.set()
        await release.wait()
        return "booked"

    agent = VoiceAgent(runtime=ScriptedModel(("book", {}), "Next.").runtime(AgentConfig(tools=(book,))))
    first = asyncio.create_task(agent.chat("book it"))
    await started.wait()
    second = asyncio.create_task(agent.chat("and hello"))
    await asyncio.sleep(0)
    release.set()
    await asyncio.gather(first, second)
    assert spoken(agent) == ["user: book it", "tool: booked", "user: and hello", "agent: Next."]
    await agent.aclose()


async def test_a_model_that_breaks_off_is_not_taken_for_an_interruption() -> None:
    async def break_off() -> None:
        raise ValueError("x")

    agent = VoiceAgent(runtime=ScriptedModel(["One two", break_off]).runtime())
    assert await agent.chat("count") == VoiceResponse("One two ", error=AgentConfig().error_phrase)
    assert spoken(agent) == ["user: count", f"agent: One two{FAULT_MARK}"]
    await agent.aclose()


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


def test_a_callers_own_greeting_costs_no_new_agent_and_own_tools_do() -> None:
    runtime = ScriptedModel().runtime()
    greeted = runtime.variant(AgentConfig(greeting="Hello Anna."))
    taught = runtime.variant(AgentConfig(instructions="Be brief."))
    assert greeted.agent is runtime.agent
    assert taught.agent is not runtime.agent
    assert taught.threads is runtime.threads


async def test_a_chat_that_uses_up_its_steps_says_so() -> None:
    config = AgentConfig(tools=(opening,), max_steps=1, step_limit_phrase="One thing at a time.")
    agent = VoiceAgent(runtime=ScriptedModel(("opening", {}), "Done.").runtime(config))
    assert await agent.chat("go") == VoiceResponse("", ("Using opening",), "One thing at a time.")
    await agent.aclose()


async def test_a_model_that_says_nothing_is_an_error() -> None:
    agent = VoiceAgent(runtime=ScriptedModel([]).runtime())
    assert (await agent.chat("go")).error == AgentConfig().error_phrase
    await agent.aclose()


async def test_what_a_listener_raises_is_raised() -> None:
    async def refuse(_: object) -> None:
        raise LookupError("mine")

    agent = VoiceAgent(runtime=ScriptedModel("One two.").runtime())
    with pytest.raises(LookupError, match="mine"):
        await agent.chat("count", refuse)
    await agent.aclose()


def opening() -> str:
    """Tell the hours."""
    return "nine"
