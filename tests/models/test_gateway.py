"""The gateway model through a real agent, against the simulator, in every quirk."""

import asyncio
import socket
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack, suppress
from typing import Any

import pytest
from pydantic_ai import Agent, AgentRunResultEvent
from pydantic_ai.exceptions import ModelAPIError, ModelConnectionError, ModelHTTPError, ModelTimeoutError
from pydantic_ai.messages import (
    ModelMessage,
    ModelRequest,
    ModelResponse,
    PartDeltaEvent,
    PartStartEvent,
    TextPart,
    TextPartDelta,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)

from tests.simulators.gateway import ALL_QUIRKS, GatewaySimulator, Quirks, RawStream, Reply
from tests.simulators.gateway_script import completion
from voice_host.models import ModelKeyRefusedError, describe_model_error
from voice_host.models.gateway import GatewayClient, GatewayModel
from voice_host.models.gateway.request import EMPTY_RESULT
from voice_host.settings import ResilienceSettings

QUIRKS = {
    "none": Quirks(),
    "bare": Quirks(bare=True),
    "own_finish_reasons": Quirks(own_finish_reasons=True),
    "null_choices": Quirks(null_choices=True),
    "calls_beside": Quirks(calls_beside=True),
    "bare_calls": Quirks(bare_calls=True),
    "no_done": Quirks(no_done=True),
    "all": ALL_QUIRKS,
}


def opening_hours(day: str) -> str:
    """Tell when the desk is open."""
    return f"nine to five on {day}"


class Talk:
    """An agent on the simulator, and what one run of it gave."""

    def __init__(self, sim: GatewaySimulator, model: GatewayModel) -> None:
        self.sim = sim
        self.agent = Agent(model, tools=[opening_hours], instructions="Be brief.")
        self.spoken = ""

    async def say(self, text: str, history: Sequence[ModelMessage] = ()) -> list[ModelMessage]:
        """Run one turn; text goes to `spoken` as it streams. Returns the new messages."""
        self.spoken = ""
        async with self.agent.run_stream_events(text, message_history=history) as events:
            async for event in events:
                if isinstance(event, PartStartEvent) and isinstance(event.part, TextPart):
                    self.spoken += event.part.content
                elif isinstance(event, PartDeltaEvent) and isinstance(event.delta, TextPartDelta):
                    self.spoken += event.delta.content_delta
                elif isinstance(event, AgentRunResultEvent):
                    return event.result.new_messages()
        raise AssertionError("the run ended without a result")


@pytest.fixture
async def talk() -> AsyncIterator[Talk]:
    async with GatewaySimulator() as sim:
        client = GatewayClient(sim.base_url, sim.api_key, ResilienceSettings(model_retries=0))
        yield Talk(sim, GatewayModel("claude-haiku", client, key_setting="ASSEMBLYAI_API_KEY"))
        await client.aclose()


def calls(messages: Sequence[ModelMessage]) -> list[tuple[str, Any]]:
    return [(p.tool_name, p.args_as_dict()) for m in messages for p in m.parts if isinstance(p, ToolCallPart)]


def results(messages: Sequence[ModelMessage]) -> list[Any]:
    return [p.content for m in messages for p in m.parts if isinstance(p, ToolReturnPart)]


@pytest.mark.parametrize("quirks", QUIRKS.values(), ids=QUIRKS.keys())
async def test_text_streams_in_every_quirk(talk: Talk, quirks: Quirks) -> None:
    talk.sim.quirks = quirks
    talk.sim.reply("We are open from nine to five.")
    messages = await talk.say("when are you open")
    assert talk.spoken == "We are open from nine to five."
    response = messages[-1]
    assert isinstance(response, ModelResponse)
    assert response.finish_reason == "stop"
    assert response.usage.output_tokens == 5
    assert talk.sim.refused == []


@pytest.mark.parametrize("quirks", QUIRKS.values(), ids=QUIRKS.keys())
async def test_tools_run_in_every_quirk(talk: Talk, quirks: Quirks) -> None:
    talk.sim.quirks = quirks
    talk.sim.script(
        Reply(["One ", "moment."], [("opening_hours", {"day": "friday"}), ("opening_hours", {"day": "monday"})]),
        Reply(["Nine to five."]),
    )
    messages = await talk.say("friday and monday?")
    assert calls(messages) == [("opening_hours", {"day": "friday"}), ("opening_hours", {"day": "monday"})]
    assert results(messages) == ["nine to five on friday", "nine to five on monday"]
    assert talk.spoken == "One moment.Nine to five."
    sent = talk.sim.requests[1].messages
    assert [message["role"] for message in sent] == ["system", "user", "assistant", "tool", "tool"]
    assert [call["id"] for call in sent[2]["tool_calls"]] == [sent[3]["tool_call_id"], sent[4]["tool_call_id"]]


@pytest.mark.parametrize("quirks", QUIRKS.values(), ids=QUIRKS.keys())
async def test_requests_without_streaming(talk: Talk, quirks: Quirks) -> None:
    talk.sim.quirks = quirks
    talk.sim.call_tool("opening_hours", {"day": "friday"})
    talk.sim.reply("Nine to five.")
    result = await talk.agent.run("friday?")
    assert result.output == "Nine to five."
    assert calls(result.all_messages()) == [("opening_hours", {"day": "friday"})]


async def test_tokens_arrive_while_the_model_still_writes(talk: Talk) -> None:
    gate, first = asyncio.Event(), asyncio.Event()
    talk.sim.reply("We ", "are ", "open.", gates={1: gate})

    async def run() -> None:
        async with talk.agent.run_stream_events("hello") as events:
            async for event in events:
                if isinstance(event, PartStartEvent):
                    first.set()

    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
        tasks.create_task(run())
        await first.wait()
        gate.set()
    assert (await talk.sim.request(0)).answered.is_set()


async def test_an_interrupted_reply_hangs_up_on_the_gateway(talk: Talk) -> None:
    talk.sim.reply("We ", "are ", "open.", gates={1: asyncio.Event()})
    async with talk.agent.run_stream_events("hello") as events:
        async for event in events:
            if isinstance(event, PartStartEvent):
                break
    async with asyncio.timeout(10):
        await talk.sim.requests[0].disconnected.wait()
    assert not talk.sim.requests[0].answered.is_set()


async def test_a_stream_cut_cleanly_keeps_its_text_and_says_that_it_may_be_short(talk: Talk) -> None:
    talk.sim.reply("We are open from", cut="clean")
    messages = await talk.say("when are you open")
    assert talk.spoken == "We are open from"
    assert isinstance(messages[-1], ModelResponse)
    assert messages[-1].finish_reason == "length"


async def test_a_connection_that_breaks_after_the_finish_reason_does_no_harm(talk: Talk) -> None:
    talk.sim.reply("Nine to five.", cut="late")
    await talk.say("when are you open")
    assert talk.spoken == "Nine to five."


async def test_a_connection_that_breaks_within_the_text_is_an_error_and_the_text_was_heard(talk: Talk) -> None:
    talk.sim.reply("We are open from", cut="reset")
    with pytest.raises(ModelConnectionError) as caught:
        await talk.say("when are you open")
    assert talk.spoken == "We are open from"
    assert describe_model_error(caught.value).code == "model_unavailable"


async def test_a_tool_call_that_was_cut_is_never_run(talk: Talk) -> None:
    talk.sim.script(Reply(calls=[("opening_hours", '{"day": "fri')], cut="clean"))
    with pytest.raises(ModelAPIError, match="within a tool call"):
        await talk.say("friday?")
    assert len(talk.sim.requests) == 1


async def test_a_complete_tool_call_in_a_cut_stream_is_run(talk: Talk) -> None:
    talk.sim.script(Reply(calls=[("opening_hours", {"day": "friday"})], cut="clean"), Reply(["Fine."]))
    messages = await talk.say("friday?")
    assert results(messages) == ["nine to five on friday"]


async def test_a_stream_without_a_word_is_an_error(talk: Talk) -> None:
    talk.sim.script(RawStream([{"choices": None}], done=False))
    with pytest.raises(ModelAPIError, match="without an answer"):
        await talk.say("hello")


@pytest.mark.parametrize("quirks", QUIRKS.values(), ids=QUIRKS.keys())
async def test_a_server_that_does_not_stream_is_understood(talk: Talk, quirks: Quirks) -> None:
    calls_made = Reply(["One moment. "], [("opening_hours", {"day": "friday"}), ("opening_hours", {"day": "monday"})])
    for number, reply in enumerate((calls_made, Reply(["Nine to five."]))):
        talk.sim.fail(200, completion(reply, quirks, "claude-haiku", number))
    messages = await talk.say("friday and monday?")
    assert talk.spoken == "One moment. Nine to five."
    assert calls(messages) == [("opening_hours", {"day": "friday"}), ("opening_hours", {"day": "monday"})]
    assert results(messages) == ["nine to five on friday", "nine to five on monday"]


@pytest.mark.parametrize("body", [{"choices": None}, {}, ["no object"], "no JSON"])
async def test_an_answer_without_a_choice_is_an_error(talk: Talk, body: Any) -> None:
    talk.sim.fail(200, body)
    with pytest.raises(ModelAPIError, match=r"without an answer|not a JSON object"):
        await talk.agent.run("hello")


async def test_an_error_within_a_stream_is_an_error(talk: Talk) -> None:
    start = {"choices": [{"delta": {"content": "We "}}]}
    talk.sim.script(RawStream([start, {"message": "overloaded", "code": 503, "metadata": {}}]))
    with pytest.raises(ModelHTTPError) as caught:
        await talk.say("hello")
    assert describe_model_error(caught.value).code == "model_unavailable"


async def test_calls_that_share_an_index_are_told_apart_by_their_ids(talk: Talk) -> None:
    def delta(call_id: str | None, name: str | None, arguments: str) -> dict[str, Any]:
        call = {"index": 0, "id": call_id, "function": {"name": name, "arguments": arguments}}
        return {"choices": [{"delta": {"tool_calls": [call]}}]}

    chunks = [
        delta("a", "opening_hours", '{"day":'),
        delta(None, "opening_hours", '"friday"}'),  # a name that is sent again
        delta("b", "opening_hours", ""),
    ]
    # The deltas of the second call keep its id, since the index does not tell.
    chunks += [delta("b", None, '{"day":"monday"}'), {"choices": [{"delta": {}, "finish_reason": "tool_use"}]}]
    talk.sim.script(RawStream(chunks), Reply(["Fine."]))
    messages = await talk.say("friday and monday?")
    assert calls(messages) == [("opening_hours", {"day": "friday"}), ("opening_hours", {"day": "monday"})]


async def test_nothing_empty_is_sent(talk: Talk) -> None:
    history: list[ModelMessage] = [
        ModelRequest([UserPromptPart("  ")]),
        ModelResponse([TextPart("")]),
        ModelRequest([UserPromptPart("friday?")]),
        ModelResponse([TextPart(""), ToolCallPart("opening_hours", {"day": "friday"}, "c1")]),
        ModelRequest([ToolReturnPart("opening_hours", "", "c1")]),
        ModelResponse([TextPart(" ")]),
    ]
    talk.sim.reply("Fine.")
    await talk.say("hello", history)
    assert talk.sim.refused == []
    sent = talk.sim.requests[0].messages
    assert [message["role"] for message in sent] == ["system", "user", "assistant", "tool", "user"]
    assert "content" not in sent[2]
    assert sent[3]["content"] == EMPTY_RESULT


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (400, {"message": "secret words", "code": 400, "metadata": {"x": 1}}, "model_bad_request"),
        (404, {"message": "secret words", "code": 404, "metadata": {}}, "model_bad_request"),
        (429, {"message": "secret words", "code": 429, "metadata": {}}, "model_rate_limited"),
        (500, "secret words", "model_unavailable"),
        (503, None, "model_unavailable"),
    ],
)
@pytest.mark.parametrize("streamed", [True, False])
async def test_error_bodies_become_stable_codes(talk: Talk, status: int, body: Any, code: str, streamed: bool) -> None:
    talk.sim.fail(status, body, {"x-ratelimit-remaining": "0"})
    with pytest.raises(ModelAPIError) as caught:
        await (talk.say("hello") if streamed else talk.agent.run("hello"))
    error = describe_model_error(caught.value)
    assert error.code == code
    assert "secret" not in error.message


@pytest.mark.parametrize("streamed", [True, False])
async def test_a_refused_key_names_its_variable_and_not_the_key(talk: Talk, streamed: bool) -> None:
    talk.sim.api_key = "another"
    with pytest.raises(ModelKeyRefusedError) as caught:
        await (talk.say("hello") if streamed else talk.agent.run("hello"))
    error = describe_model_error(caught.value)
    assert error.code == "model_auth"
    assert "ASSEMBLYAI_API_KEY" in error.message
    assert "gateway-key" not in f"{caught.value}{error}"


async def test_a_refused_connection_is_unavailable() -> None:
    async with GatewaySimulator() as sim:
        base_url = sim.base_url
    client = GatewayClient(base_url, "key", ResilienceSettings(model_retries=0))
    agent = Agent(GatewayModel("m", client, key_setting="ASSEMBLYAI_API_KEY"))
    with pytest.raises(ModelAPIError) as caught:
        await agent.run("hello")
    assert describe_model_error(caught.value).code == "model_unavailable"
    await client.aclose()


async def test_one_pool_serves_request_after_request(talk: Talk) -> None:
    for _ in range(3):
        talk.sim.reply("Fine.")
        await talk.say("hello")
    assert len(talk.sim.requests) == 3
    assert len(talk.sim.connections) == 1


@pytest.mark.parametrize("streamed", [True, False])
async def test_a_reply_that_reached_its_limit_says_so(talk: Talk, streamed: bool) -> None:
    talk.sim.quirks = ALL_QUIRKS
    talk.sim.reply("We are open from", finish_reason="length")
    messages = await talk.say("hello") if streamed else (await talk.agent.run("hello")).new_messages()
    assert isinstance(messages[-1], ModelResponse)
    assert messages[-1].finish_reason == "length"


async def test_a_service_that_says_nothing_is_given_up(talk: Talk) -> None:
    talk.sim.reply("too late", gates={0: asyncio.Event()})
    talk.agent.model_settings = {"first_event_timeout": 0.2}
    with pytest.raises(ModelAPIError) as caught:
        await talk.say("hello")
    assert describe_model_error(caught.value).code == "model_timeout"


async def test_how_long_a_wait_it_may_ask_for_is_a_setting() -> None:
    resilience = ResilienceSettings(model_retry_after_max_s=0.5)
    async with GatewaySimulator() as sim, GatewayClient(sim.base_url, sim.api_key, resilience) as client:
        sim.fail(503, headers={"retry-after": "1"})
        sim.fail(503)
        with pytest.raises(ModelHTTPError):
            async with Agent(GatewayModel("m", client, key_setting="ASSEMBLYAI_API_KEY")).run_stream("hi"):
                pass
        assert len(sim.requests) == 1


async def test_a_connection_is_kept_for_the_next_turn() -> None:
    async with GatewaySimulator() as sim, GatewayClient(sim.base_url, sim.api_key, ResilienceSettings()) as client:
        for _ in range(2):
            sim.reply("Hello.")
            async with Agent(GatewayModel("m", client, key_setting="ASSEMBLYAI_API_KEY")).run_stream("hi") as result:
                await result.get_output()
        assert len(sim.connections) == 1


@pytest.mark.skipif(sys.platform != "linux", reason="a full backlog is needed, which other systems handle otherwise")
async def test_how_long_connecting_may_take_is_a_setting() -> None:
    with ExitStack() as sockets:
        busy = sockets.enter_context(socket.socket())
        busy.bind(("127.0.0.1", 0))
        busy.listen(0)
        for _ in range(4):  # nobody accepts them, so the next one is not connected
            waiting = sockets.enter_context(socket.socket())
            waiting.setblocking(False)
            with suppress(BlockingIOError):
                waiting.connect(busy.getsockname())
        base_url = f"http://127.0.0.1:{busy.getsockname()[1]}/v1"
        resilience = ResilienceSettings(model_connect_timeout_s=0.1, model_silent_after_s=60, model_retries=0)
        async with GatewayClient(base_url, "key", resilience) as client, asyncio.timeout(30):
            with pytest.raises(ModelTimeoutError):
                await Agent(GatewayModel("m", client, key_setting="KEY")).run("hi")


async def test_a_refused_request_is_tried_once_more() -> None:
    async with GatewaySimulator() as sim, GatewayClient(sim.base_url, sim.api_key) as client:
        sim.fail(503)
        sim.reply("Hello.")
        agent = Agent(GatewayModel("m", client, key_setting="ASSEMBLYAI_API_KEY"))
        assert (await agent.run("hi")).output == "Hello."
        assert len(sim.requests) == 2


async def test_content_in_parts_is_text(talk: Talk) -> None:
    parts = [{"type": "text", "text": "We are "}, {"type": "reference", "reference_ids": [1]}, "open."]
    chunks = [{"choices": [{"delta": {"content": parts}}]}, {"choices": [{"delta": {}, "finish_reason": "stop"}]}]
    talk.sim.script(RawStream(chunks))
    await talk.say("hello")
    assert talk.spoken == "We are open."


async def test_usage_is_reported(talk: Talk) -> None:
    usage = {
        "prompt_tokens": 90,
        "completion_tokens": 7,
        "total_tokens": 97,
        "prompt_tokens_details": {"cached_tokens": 64},
        "completion_tokens_details": {"reasoning_tokens": 4},
    }
    chunks = [{"choices": [{"delta": {"content": "Hello."}, "finish_reason": "stop"}], "usage": usage}]
    talk.sim.script(RawStream(chunks))
    [response] = [message for message in await talk.say("hello") if isinstance(message, ModelResponse)]
    assert (response.usage.input_tokens, response.usage.output_tokens, response.usage.cache_read_tokens) == (90, 7, 64)
    assert response.usage.details == {"reasoning_tokens": 4}


@pytest.mark.parametrize(
    "usage", [{}, {"prompt_tokens": "many"}, {"prompt_tokens": None}, {"prompt_tokens_details": 3}, [1], "none"]
)
async def test_odd_usage_does_no_harm(talk: Talk, usage: Any) -> None:
    chunks = [{"choices": [{"delta": {"content": "Hello."}, "finish_reason": "stop"}], "usage": usage}]
    talk.sim.script(RawStream(chunks))
    await talk.say("hello")
    assert talk.spoken == "Hello."
