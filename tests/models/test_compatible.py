"""Servers that nearly speak like OpenAI, reached by pydantic-ai's own names: the cases of the gateway hold for them.

The ids of cases are those of public reports.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.calls.test_model_wire import (
    CALL,
    REFUSALS,
    STREAMS,
    TOOL_CALLS,
    delta,
    get_weather,
    opening_hours,
)
from tests.simulators.gateway import GatewaySimulator, RawBytes, RawStream, Reply
from voice_host.conversation.runtime import AgentRuntime
from voice_host.conversation.voice_agent import VoiceAgent
from voice_host.models import ModelRegistry
from voice_host.models.event_stream import MAX_EVENT_BYTES
from voice_host.settings import Settings
from voice_host_sdk import AgentConfig


class Talk:
    def __init__(self, server: GatewaySimulator, agent: VoiceAgent) -> None:
        self.server = server
        self.agent = agent

    async def say(self, *scripts: RawBytes | RawStream | Reply) -> str:
        self.server.script(*scripts)
        return (await self.agent.chat("Hi")).text

    def results(self) -> list[Any]:
        return [m["content"] for m in self.server.requests[1].messages if m["role"] == "tool"]


@pytest.fixture
async def talk(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Talk]:
    async with GatewaySimulator(lenient=True) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
        monkeypatch.setenv("OPENAI_API_KEY", server.api_key)
        registry = ModelRegistry(Settings())
        config = AgentConfig(tools=(get_weather, opening_hours))
        runtime = AgentRuntime("desk", config, registry.resolve(None, "openai-chat:local"), registry=registry)
        agent = VoiceAgent(runtime=runtime)
        yield Talk(server, agent)
        await agent.aclose()
        await runtime.aclose()


@pytest.mark.parametrize(("chunks", "told"), TOOL_CALLS)
async def test_tool_calls_on_the_wire(talk: Talk, chunks: list[dict[str, Any]], told: list[str]) -> None:
    assert await talk.say(RawStream([*chunks, delta("tool_calls")]), Reply(["Done."])) == "Done."
    assert talk.results() == told


@pytest.mark.parametrize("pieces", STREAMS)
async def test_event_streams_as_their_standard_says(talk: Talk, pieces: list[bytes]) -> None:
    assert await talk.say(RawBytes(pieces)) == "Hello there."


@pytest.mark.parametrize("chunks", REFUSALS)
async def test_refusals_are_said(talk: Talk, chunks: list[dict[str, Any]]) -> None:
    assert await talk.say(RawStream(chunks)) == "I cannot help with that."


async def test_an_answer_that_is_broken_off_is_marked(talk: Talk) -> None:
    """23-12."""
    assert await talk.say(Reply(["I think that the best"], finish_reason="content_filter")) == "I think that the best"
    await talk.say(Reply(["Bye."]))
    assert talk.server.requests[1].messages[-2]["content"].endswith("[broken off by a content filter]")


async def test_a_call_that_is_written_as_text_is_made(talk: Talk) -> None:
    """23-08."""
    assert await talk.say(Reply([f"<tool_call>{CALL}</tool_call>"]), Reply(["Sunny."])) == "Sunny."
    assert talk.results() == ["sunny in Paris"]


async def test_what_is_no_stream_of_events_is_an_error(talk: Talk) -> None:
    talk.server.script(RawBytes([b"x" * (MAX_EVENT_BYTES + 1)]))
    assert (await talk.agent.chat("Hi")).error
