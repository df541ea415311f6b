"""The body of a request to the gateway, as the simulator receives it."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic_ai import Agent, BinaryContent
from pydantic_ai.exceptions import UserError
from pydantic_ai.messages import (
    ModelMessage,
    ModelRequest,
    ModelResponse,
    SystemPromptPart,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)
from pydantic_ai.models import ModelRequestParameters

from tests.simulators.gateway import GatewaySimulator
from voice_host.models.gateway import GatewayClient, GatewayModel


async def sent(
    prompt: Any = "hello",
    *,
    model: str = "claude-haiku",
    settings: dict[str, Any] | None = None,
    history: list[ModelMessage] | None = None,
    tools: bool = False,
) -> dict[str, Any]:
    """Ask once, and return the body of the request."""

    def hang_up() -> None:
        """End the call."""

    async with GatewaySimulator(lenient=True) as sim, GatewayClient(sim.base_url, sim.api_key) as client:
        sim.reply("Fine.")
        agent = Agent(
            GatewayModel(model, client, key_setting="KEY"), instructions="Be brief.", tools=[hang_up] if tools else []
        )
        async with agent.run_stream(prompt, message_history=history, model_settings=settings) as result:  # type: ignore[arg-type]
            await result.get_output()
        body: dict[str, Any] = sim.requests[0].body
        return body


async def test_system_prompts_and_instructions_are_one_message() -> None:
    history: list[ModelMessage] = [
        ModelRequest([SystemPromptPart("You are Ada."), UserPromptPart("hi")]),
        ModelResponse([TextPart("One."), TextPart("Two.")]),
    ]
    assert (await sent(history=history))["messages"] == [
        {"role": "system", "content": "You are Ada.\n\nBe brief."},
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": "One.\n\nTwo."},
        {"role": "user", "content": "hello"},
    ]


async def test_without_an_agent_the_last_instructions_hold() -> None:
    async with GatewaySimulator() as sim, GatewayClient(sim.base_url, sim.api_key) as client:
        sim.reply("Fine.")
        model = GatewayModel("m", client, key_setting="KEY")
        request = ModelRequest([UserPromptPart("hello")], instructions="Be brief.")
        assert (await model.request([request], None, ModelRequestParameters())).parts == [TextPart("Fine.")]
        assert sim.requests[0].messages[0] == {"role": "system", "content": "Be brief."}


async def test_thoughts_go_back_to_the_gateway_and_to_nobody_else() -> None:
    def call(call_id: str, *thoughts: ThinkingPart) -> list[ModelMessage]:
        return [
            ModelResponse([*thoughts, ToolCallPart("hang_up", {}, call_id)]),
            ModelRequest([ToolReturnPart("hang_up", "done", call_id)]),
        ]

    own = ThinkingPart("It is late.", id="reasoning_content", provider_name="llm-gateway")
    foreign = ThinkingPart("Secret.", id="reasoning", provider_name="another")
    history = [ModelRequest([UserPromptPart("bye")]), *call("c1", own), *call("c2", foreign), *call("c3")]
    async with GatewaySimulator() as sim, GatewayClient(sim.base_url, sim.api_key) as client:
        sim.reply("Bye.")
        await GatewayModel("m", client, key_setting="KEY").request(history, None, ModelRequestParameters())
        calls = [message for message in sim.requests[0].messages if message["role"] == "assistant"]
    # Some services refuse a turn in which only some of the calls have the field.
    assert [message["reasoning_content"] for message in calls] == ["It is late.", "", ""]
    assert "Secret" not in str(calls)


async def test_settings_become_fields() -> None:
    settings = {
        "max_tokens": 50,
        "temperature": 0.5,
        "stop_sequences": ["x"],
        "openai_prompt_cache_key": "desk",
        "parallel_tool_calls": False,
        "extra_body": {"mode": "short"},
    }
    body = await sent(settings=settings, tools=True)
    assert {name: body[name] for name in ("max_tokens", "temperature", "stop", "prompt_cache_key", "mode")} == {
        "max_tokens": 50,
        "temperature": 0.5,
        "stop": ["x"],
        "prompt_cache_key": "desk",
        "mode": "short",
    }
    assert (body["tool_choice"], body["parallel_tool_calls"]) == ("auto", False)
    assert body["stream_options"] == {"include_usage": True}
    assert "parallel_tool_calls" not in await sent(settings=settings)


async def test_tools_can_be_turned_off() -> None:
    body = await sent(settings={"tool_choice": "none"}, tools=True)
    assert body["tool_choice"] == "none"
    assert [tool["function"]["name"] for tool in body["tools"]] == ["hang_up"]


@pytest.mark.parametrize(
    ("model", "thinking", "effort"),
    [
        ("gpt-5.1", "high", "high"),
        ("gpt-5.1", False, "none"),
        ("gpt-5-mini", False, "minimal"),
        ("gpt-6-astra", "minimal", "low"),
        ("gpt-5-pro", "low", "high"),
        ("claude-haiku", "high", None),
    ],
)
async def test_thinking_is_the_nearest_effort_that_the_model_supports(
    model: str, thinking: Any, effort: str | None
) -> None:
    assert (await sent(model=model, settings={"thinking": thinking})).get("reasoning_effort") == effort


@pytest.mark.parametrize(
    ("model", "effort", "kept"),
    [("gpt-5-mini", None, False), ("gpt-5.1", None, True), ("gpt-5.1", "low", False), ("claude-haiku", None, True)],
)
async def test_a_model_that_thinks_gets_no_sampling_parameters(model: str, effort: str | None, kept: bool) -> None:
    settings = {"temperature": 0.5} | ({"openai_reasoning_effort": effort} if effort else {})
    assert ("temperature" in await sent(model=model, settings=settings)) == kept


async def test_prompts_are_text() -> None:
    body = await sent(["hello", "there"])
    assert body["messages"][-1]["content"] == [{"type": "text", "text": "hello"}, {"type": "text", "text": "there"}]
    with pytest.raises(UserError, match="take text only, and the prompt holds a BinaryContent"):
        await sent([BinaryContent(b"GIF89a", media_type="image/gif")])
