"""One conversation: chat, history, tools, interruption."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from pydantic_ai.messages import ModelRequest, ModelResponse, TextPart, UserPromptPart
from pydantic_ai.models.function import DeltaToolCall

from tests.conversation.models import ScriptedModel
from tests.conversation.observed import spoken
from voice_host.conversation.history import (
    CUT_MARK,
    FAULT_MARK,
    MAX_MESSAGES,
    kept_messages,
    trim,
)
from voice_host.conversation.voice_agent import VoiceAgent, VoiceResponse
from voice_host_sdk import AgentConfig, tool


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
