"""A language model that refuses, stalls, breaks off or talks nonsense: asked again, replaced, or apologised for.

After each fault another turn is taken, and the strict gateway accepts the history that it is sent.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.calls.client import TestCaller, calling
from tests.calls.studio import Studio, studio
from tests.simulators.gateway import RawStream, Reply
from voice_host.settings import ResilienceSettings
from voice_host_sdk import AgentConfig

PHRASE = "Something broke."
IMPATIENT = ResilienceSettings(model_silent_after_s=0.3)


def opening_hours(day: str) -> str:
    """Tell when the desk is open."""
    return f"nine to five on {day}"


@asynccontextmanager
async def call(
    *fallbacks: str, resilience: ResilienceSettings | None = None
) -> AsyncIterator[tuple[Studio, TestCaller]]:
    config = AgentConfig(model="first", fallback_models=fallbacks, error_phrase=PHRASE, tools=(opening_hours,))
    async with studio(config, resilience=resilience) as s, calling(s.url) as caller:
        yield s, caller
    assert s.llm.refused == []


async def first_reply(s: Studio, caller: TestCaller) -> str:
    """Take a turn and return what was answered; then another one, which must work."""
    s.llm.reply("Better now.")
    await caller.type("First")
    await caller.expect("metrics", reply=1)
    await caller.type("Second")
    await caller.expect("tts_done", reply=2)
    first, second = (frame["text"] for frame in caller.all("chat"))
    assert second == "Better now."
    return str(first)


def codes(caller: TestCaller) -> list[str]:
    return [frame["code"] for frame in caller.all("error")]


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        pytest.param(429, {"retry-after": "1"}, marks=pytest.mark.fault("model: 429 with retry-after")),
        pytest.param(429, {}, marks=pytest.mark.fault("model: 429 without retry-after")),
        pytest.param(500, {}, marks=pytest.mark.fault("model: 500")),
    ],
)
async def test_a_request_that_was_refused_once_is_sent_again(status: int, headers: dict[str, str]) -> None:
    async with call() as (s, caller):
        s.llm.fail(status, headers=headers)
        s.llm.reply("Hello.")
        assert await first_reply(s, caller) == "Hello."
        assert codes(caller) == []


@pytest.mark.parametrize(
    ("status", "code"),
    [
        pytest.param(429, "model_rate_limited", marks=pytest.mark.fault("model: 429 again")),
        pytest.param(500, "model_unavailable", marks=pytest.mark.fault("model: 500 again")),
    ],
)
async def test_a_request_that_is_refused_twice_is_apologised_for(status: int, code: str) -> None:
    async with call() as (s, caller):
        s.llm.fail(status)
        s.llm.fail(status)
        assert await first_reply(s, caller) == PHRASE
        assert codes(caller) == [code]
        assert PHRASE in s.tts.spoken


@pytest.mark.fault("model: timeout before the stream")
async def test_a_model_that_says_nothing_is_given_up() -> None:
    async with call(resilience=IMPATIENT) as (s, caller):
        s.llm.reply("too late", gates={0: asyncio.Event()})
        assert await first_reply(s, caller) == PHRASE
        assert codes(caller) == ["model_timeout"]


@pytest.mark.fault("model: timeout in the stream")
async def test_a_model_that_falls_silent_is_given_up_and_what_was_said_stays_said() -> None:
    async with call(resilience=IMPATIENT) as (s, caller):
        s.llm.reply("One two three.", " Four", gates={1: asyncio.Event()})
        assert await first_reply(s, caller) == f"One two three. {PHRASE}"
        assert codes(caller) == ["model_timeout"]
        assert "[broke off]" in str((await s.llm.request(1)).messages)


async def test_how_often_the_gateway_is_asked_again_is_a_setting() -> None:
    async with call(resilience=ResilienceSettings(model_retries=0)) as (s, caller):
        s.llm.fail(500)
        assert await first_reply(s, caller) == PHRASE
    async with call(resilience=ResilienceSettings(model_retries=2)) as (s, caller):
        s.llm.fail(500)
        s.llm.fail(500)
        s.llm.reply("At last.")
        assert await first_reply(s, caller) == "At last."


@pytest.mark.fault("model: stream cut without end")
async def test_a_stream_that_is_cut_is_kept_and_one_that_breaks_is_apologised_for() -> None:
    async with call() as (s, caller):
        s.llm.reply("One two three.", cut="clean")
        assert await first_reply(s, caller) == "One two three."
        assert codes(caller) == []
    async with call() as (s, caller):
        s.llm.reply("One two three.", cut="reset")
        assert await first_reply(s, caller) == f"One two three. {PHRASE}"
        assert codes(caller) == ["model_unavailable"]
        assert "[broke off]" in str((await s.llm.request(1)).messages)


@pytest.mark.fault("model: null choices")
async def test_a_stream_of_null_choices_is_apologised_for() -> None:
    async with call() as (s, caller):
        s.llm.script(RawStream([{"choices": None}, {"choices": None}]))
        assert await first_reply(s, caller) == PHRASE
        assert codes(caller) == ["model_failed"]


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        pytest.param("open_the_pod_bay_doors", {}, marks=pytest.mark.fault("model: unknown tool")),
        pytest.param(
            "opening_hours", '{"day": "fri', marks=pytest.mark.fault("model: tool arguments that are no JSON")
        ),
        pytest.param("opening_hours", '["friday"]', marks=pytest.mark.fault("model: tool arguments that are no JSON")),
        pytest.param("opening_hours", {"week": 3}, marks=pytest.mark.fault("model: tool arguments that do not fit")),
    ],
)
async def test_a_tool_call_that_cannot_be_made_is_told_to_the_model(name: str, arguments: dict[str, str] | str) -> None:
    async with call() as (s, caller):
        s.llm.call_tool(name, arguments)
        s.llm.reply("We open at nine.")
        assert await first_reply(s, caller) == "We open at nine."
        assert codes(caller) == []


@pytest.mark.fault("model: nothing but tool calls that cannot be made")
async def test_a_model_that_never_makes_a_call_right_is_apologised_for() -> None:
    async with call() as (s, caller):
        for _ in range(8):
            s.llm.call_tool("opening_hours", {"week": 3})
        s.llm.handle(
            lambda _: RawStream([{"choices": [{"delta": {"content": "Better now."}, "finish_reason": "stop"}]}])
        )
        await caller.type("First")
        await caller.expect("metrics", reply=1)
        assert caller.all("chat")[0]["text"] == PHRASE
        assert codes(caller) == ["model_failed"]
        s.llm.forget_scripts()
        await caller.type("Second")
        assert (await caller.expect("chat", reply=2))["text"] == "Better now."


# --- another model ------------------------------------------------------------------------------------------------


def asked(s: Studio) -> list[str]:
    return [request.body["model"] for request in s.llm.requests]


@pytest.mark.fault("model: fails, with a fallback model")
async def test_another_model_answers_and_the_next_turn_begins_with_the_first_again() -> None:
    async with call("second", "third") as (s, caller):
        s.llm.fail(500)
        s.llm.fail(500)
        s.llm.fail(400)
        s.llm.reply("Hello from the third.")
        assert await first_reply(s, caller) == "Hello from the third."
        assert codes(caller) == []
        assert asked(s) == ["first", "first", "second", "third", "first"]


@pytest.mark.fault("model: fails between tools, with a fallback model")
async def test_another_model_goes_on_with_the_results_of_the_tools() -> None:
    async with call("second") as (s, caller):
        s.llm.call_tool("opening_hours", {"day": "friday"}, text="Let me see.")
        s.llm.fail(400)
        s.llm.reply("At nine.")
        assert await first_reply(s, caller) == "Let me see. At nine."
        assert asked(s) == ["first", "first", "second", "first"]
        assert "nine to five on friday" in str(s.llm.requests[2].messages)


@pytest.mark.fault("model: timeout, with a fallback model")
@pytest.mark.parametrize("role_first", [False, True])
async def test_another_model_answers_for_one_that_says_nothing(role_first: bool) -> None:
    silent = Reply(["Hello."], gates={0: asyncio.Event()}, role_first=role_first)
    async with call("second", resilience=IMPATIENT) as (s, caller):
        s.llm.handle(lambda request: silent if request.body["model"] == "first" else Reply(["Hello."], role_first=True))
        await caller.type("First")
        await caller.expect("tts_done", reply=1)
        assert caller.all("chat")[0]["text"] == "Hello."
        assert codes(caller) == []


@pytest.mark.fault("model: breaks off after a word, with a fallback model")
async def test_no_other_model_takes_the_word_once_something_was_said() -> None:
    async with call("second") as (s, caller):
        s.llm.reply("One two three.", cut="reset")
        assert await first_reply(s, caller) == f"One two three. {PHRASE}"
        assert codes(caller) == ["model_unavailable"]
        assert asked(s) == ["first", "first"]


@pytest.mark.fault("model: all models fail")
async def test_when_all_models_fail_the_last_ones_failure_is_told() -> None:
    async with call("second") as (s, caller):
        s.llm.fail(400)
        s.llm.fail(429)
        s.llm.fail(429)
        assert await first_reply(s, caller) == PHRASE
        assert codes(caller) == ["model_rate_limited"]
