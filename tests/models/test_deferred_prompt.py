"""Requests that are prepared before the prompt is known, and text that reaches the call at once."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from pydantic_ai import Agent
from pydantic_ai.messages import ModelMessage, ModelRequest, ModelResponse, TextPart, UserPromptPart
from pydantic_ai.models.function import AgentInfo, FunctionModel

from tests.simulators.gateway import GatewaySimulator, RawStream, Reply
from voice_host.conversation.runtime import AgentRuntime
from voice_host.conversation.voice_agent import VoiceAgent
from voice_host.models import ResolvedModel
from voice_host.models.deferred_prompt import PROMPT_PLACEHOLDER, live_turn, with_deferred_prompt
from voice_host.models.gateway import GatewayClient, GatewayModel
from voice_host.settings import ResilienceSettings
from voice_host_sdk import AgentConfig


@dataclass
class Turn:
    """A turn whose prompt is still to come."""

    heard: list[str] = field(default_factory=list)
    said: asyncio.Future[str] = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    heard_something: asyncio.Event = field(default_factory=asyncio.Event)
    waited: asyncio.Event = field(default_factory=asyncio.Event)

    async def deferred_prompt(self) -> str:
        self.waited.set()
        return await asyncio.shield(self.said)

    async def on_text(self, text: str) -> None:
        self.heard.append(text)
        self.heard_something.set()


@asynccontextmanager
async def gateway() -> AsyncIterator[tuple[GatewaySimulator, GatewayModel]]:
    async with GatewaySimulator() as sim:
        client = GatewayClient(sim.base_url, sim.api_key, ResilienceSettings(model_retries=0))
        try:
            yield sim, GatewayModel("claude-haiku", client, key_setting="ASSEMBLYAI_API_KEY")
        finally:
            await client.aclose()


async def run(agent: Agent[None, str], turn: Turn, history: list[ModelMessage] | None = None) -> str:
    token = live_turn.set(turn)
    try:
        async with agent.iter(PROMPT_PLACEHOLDER, message_history=history) as run:
            async for node in run:
                if Agent.is_model_request_node(node):
                    async with node.stream(run.ctx) as stream:
                        async for _ in stream:
                            pass
            assert run.result is not None
            return run.result.output
    finally:
        live_turn.reset(token)


async def test_the_gateway_is_asked_when_the_words_are_known() -> None:
    async with gateway() as (sim, model), asyncio.timeout(10):
        sim.reply("Hello there.")
        turn = Turn()
        history: list[ModelMessage] = [
            ModelRequest(parts=[UserPromptPart("hi")]),
            ModelResponse(parts=[TextPart("Yes?")]),
        ]
        answer = asyncio.create_task(run(Agent(with_deferred_prompt(model)), turn, history))
        await turn.waited.wait()
        assert sim.requests == []
        turn.said.set_result("who is there")
        assert await answer == "Hello there."
        assert [m["content"] for m in sim.requests[0].messages] == ["hi", "Yes?", "who is there"]


async def test_any_other_model_is_asked_then_too() -> None:
    asked: list[str] = []

    async def answer(messages: list[ModelMessage], _: AgentInfo) -> AsyncIterator[str]:
        asked.append(str(messages[-1].parts[-1].content))  # type: ignore[union-attr]
        yield "Hello."

    async with asyncio.timeout(10):
        turn = Turn()
        running = asyncio.create_task(run(Agent(with_deferred_prompt(FunctionModel(stream_function=answer))), turn))
        await turn.waited.wait()
        assert asked == []
        turn.said.set_result("who is there")
        assert await running == "Hello."
    assert asked == ["who is there"]


async def test_text_is_heard_token_by_token_while_the_model_writes() -> None:
    async with gateway() as (sim, model), asyncio.timeout(10):
        gate = asyncio.Event()
        sim.reply("We ", "are ", "open.", gates={2: gate})
        turn = Turn()
        turn.said.set_result("hello")
        answer = asyncio.create_task(run(Agent(with_deferred_prompt(model)), turn))
        await turn.heard_something.wait()
        assert turn.heard == ["are "]  # the first piece went the usual way
        gate.set()
        assert await answer == "We are open."
        assert turn.heard == ["are ", "open."]


@pytest.mark.parametrize(
    ("tokens", "said"),
    [
        (["\n", "<think>", "The desk", " is closed.", "</think>", "We are closed."], "We are closed."),
        (["Well. ", "<th", "ink>Is the desk", " closed?</thi", "nk>", "We are ", "closed."], "Well. We are closed."),
        (["Well.", "<think>hm</think>", "We ", "are ", "closed."], "Well. We are closed."),
        (["It is 3 <", " 4."], "It is 3 < 4."),
        (["It is ", "3 <"], "It is 3 <"),
    ],
)
async def test_thoughts_are_not_heard_wherever_they_stand(tokens: list[str], said: str) -> None:
    async with gateway() as (sim, model), asyncio.timeout(10):
        sim.script(Reply(tokens))
        turn = Turn()
        turn.said.set_result("hello")
        assert (await run(Agent(with_deferred_prompt(model)), turn)).strip() == said
        assert said.endswith("".join(turn.heard).lstrip())


def chunk(finish_reason: str | None = None, **delta: str) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": finish_reason}]}


@pytest.mark.parametrize(
    ("chunks", "said"),
    [
        ([chunk(content="Hm."), chunk(reasoning_content="Is it?"), chunk(content="Yes."), chunk("stop")], "Hm. Yes."),
        ([chunk(content="We "), chunk(content="are "), chunk("stop", content="open.")], "We are open."),
        ([chunk(content="We "), chunk("stop", content="<think>no</think>are open.")], "We are open."),
        ([chunk(content="It is "), chunk(content="3 <"), chunk("stop", content=" 4.")], "It is 3 < 4."),
        ([chunk(content="It is "), chunk(content="3 <"), chunk("stop")], "It is 3 <"),
        # Services that write UTF-8 send nothing for the first bytes of a letter.
        (
            [chunk(content="The caf"), chunk(content=""), chunk(content="é is open."), chunk("stop")],
            "The café is open.",
        ),
        ([chunk(content="The caf"), chunk(role="assistant"), chunk(content="é."), chunk("stop")], "The café."),
    ],
    ids=[
        "thoughts of their own between",
        "the end with text",
        "the end with thoughts",
        "a tag in vain",
        "half a tag",
        "nothing within a word",
        "a role within a word",
    ],
)
async def test_a_turn_says_all_of_the_text_and_keeps_its_parts_apart(chunks: list[dict[str, Any]], said: str) -> None:
    async with gateway() as (sim, model), asyncio.timeout(10):
        sim.script(RawStream(chunks))
        agent = VoiceAgent(runtime=AgentRuntime("desk", AgentConfig(), ResolvedModel("m", model)))
        assert (await agent.chat("hello")).text == said
        await agent.aclose()


async def test_turns_share_a_connection() -> None:
    async with gateway() as (sim, model), asyncio.timeout(10):
        agent = Agent(with_deferred_prompt(model))
        for number in range(3):
            sim.reply("Hello.")
            turn = Turn()
            turn.said.set_result(f"turn {number}")
            await run(agent, turn)
        assert len(sim.connections) == 1
