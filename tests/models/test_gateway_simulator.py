"""Keeps the simulator honest: the official client must understand what it sends."""

from collections.abc import AsyncIterator
from typing import Any

import openai
import pytest

from tests.simulators.gateway import GatewaySimulator, Reply

TOOL: Any = {
    "type": "function",
    "function": {"name": "opening_hours", "parameters": {"type": "object", "properties": {}}},
}


@pytest.fixture
async def sim() -> AsyncIterator[GatewaySimulator]:
    async with GatewaySimulator() as simulator:
        yield simulator


@pytest.fixture
async def client(sim: GatewaySimulator) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(base_url=sim.base_url, api_key=sim.api_key, max_retries=0) as opened:
        yield opened


async def test_a_whole_reply(sim: GatewaySimulator, client: openai.AsyncOpenAI) -> None:
    sim.reply("Good morning.")
    answer = await client.chat.completions.create(model="m", messages=[{"role": "user", "content": "hello"}])
    assert answer.choices[0].message.content == "Good morning."
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage is not None


async def test_a_streamed_reply_comes_token_by_token(sim: GatewaySimulator, client: openai.AsyncOpenAI) -> None:
    sim.reply("Good morning to you.")
    stream = await client.chat.completions.create(
        model="m", messages=[{"role": "user", "content": "hello"}], stream=True
    )
    tokens = [chunk.choices[0].delta.content async for chunk in stream if chunk.choices[0].delta.content]
    assert tokens == ["Good", " morning", " to", " you."]


async def test_streamed_tool_calls_are_put_together_by_the_client(
    sim: GatewaySimulator, client: openai.AsyncOpenAI
) -> None:
    sim.script(Reply(calls=[("opening_hours", {"day": "friday"}), ("opening_hours", {"day": "monday"})]))
    async with client.chat.completions.stream(
        model="m", messages=[{"role": "user", "content": "hours?"}], tools=[TOOL]
    ) as stream:
        final = await stream.get_final_completion()
    calls = final.choices[0].message.tool_calls or []
    assert [call.function.arguments for call in calls] == ['{"day": "friday"}', '{"day": "monday"}']
    assert final.choices[0].finish_reason == "tool_calls"


@pytest.mark.parametrize(
    "messages",
    [
        [{"role": "user", "content": ""}],
        [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "  "}],
        [{"role": "narrator", "content": "hi"}],
        [{"role": "user", "content": "hi"}, {"role": "tool", "tool_call_id": "call_1", "content": "42"}],
        [
            {
                "role": "assistant",
                "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
            },
            {"role": "user", "content": "and?"},
        ],
        [],
    ],
)
async def test_bad_messages_are_refused(
    sim: GatewaySimulator, client: openai.AsyncOpenAI, messages: list[object]
) -> None:
    with pytest.raises(openai.BadRequestError):
        await client.chat.completions.create(model="m", messages=messages)  # type: ignore[arg-type]
    assert len(sim.refused) == 1
    assert sim.requests == []


async def test_a_wrong_key_is_refused(sim: GatewaySimulator) -> None:
    async with openai.AsyncOpenAI(base_url=sim.base_url, api_key="wrong", max_retries=0) as client:
        with pytest.raises(openai.AuthenticationError) as caught:
            await client.chat.completions.create(model="m", messages=[{"role": "user", "content": "hi"}])
    assert caught.value.response.json() == {"error": "Invalid API key", "status": "unauthorized"}
