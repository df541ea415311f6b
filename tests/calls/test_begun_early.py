"""Turns that are begun before they are final, and text that goes to the call before pydantic-ai has it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from fastapi import WebSocket
from pydantic_ai import Agent, RunContext, Tool

from tests.calls.client import TestCaller, calling
from tests.calls.studio import Studio, studio
from tests.calls.test_responsiveness import confident
from tests.simulators.gateway import Reply
from voice_host import VoiceSessionHandler
from voice_host.call.call import Call
from voice_host_sdk import AgentConfig, Session


@asynccontextmanager
async def one_call(**options: Any) -> AsyncIterator[tuple[Studio, TestCaller, Call]]:
    """A call from both of its sides."""
    handled: asyncio.Future[Call] = asyncio.get_running_loop().create_future()

    class Handler(VoiceSessionHandler):
        async def _client_loop(self, call: Call, ws: WebSocket) -> None:
            handled.set_result(call)
            await super()._client_loop(call, ws)

    async with studio(handler_class=Handler, **options) as s, calling(s.url) as caller:
        yield s, caller, await handled


@pytest.mark.parametrize("tokens", [("Hel", "lo", ", An", "na", "."), ("\n", "O", "K", "."), ("Ye", "s.")])
async def test_tokens_within_a_word_stay_one_word(tokens: tuple[str, ...]) -> None:
    text = "".join(tokens).strip()
    async with studio() as s:
        s.llm.script(Reply(tokens, calls=[("nothing", {})]), Reply(tokens))
        async with calling(s.url) as caller:
            await caller.type("hello")
            await caller.expect("metrics", reply=1)
            assert caller.all("chat")[0]["text"].split() == f"{text} {text}".split()
        assert " ".join(s.tts.spoken).split() == f"{text} {text}".split()


async def test_what_a_tool_asks_of_the_model_is_not_for_the_callers_ears() -> None:
    async def look(ctx: RunContext[Session]) -> str:
        """Look."""
        async with Agent(ctx.model).run_stream("A secret?") as answer:
            return str(await answer.get_output())

    async with studio(AgentConfig(tools=(Tool(look),))) as s:
        s.llm.call_tool("look")
        s.llm.reply("Nobody ", "may ", "know.")
        s.llm.reply("It ", "is ", "done.")
        async with calling(s.url) as caller:
            await caller.type("look")
            await caller.expect("metrics", reply=1)
            assert caller.all("chat")[0]["text"] == "It is done."
        assert "Nobody may know." in str((await s.llm.request(2)).messages)


async def test_the_history_has_the_turn_as_it_was_in_the_end() -> None:
    seen: list[Any] = []

    def look(ctx: RunContext[Session]) -> str:
        """Look."""
        seen.extend([ctx.prompt, str(ctx.messages)])
        return "nine"

    async with studio(AgentConfig(tools=(Tool(look),))) as s:
        s.llm.call_tool("look", text="Let me see.")
        s.llm.reply("At nine.")
        s.llm.reply("Bye.")
        async with calling(s.url) as caller:
            session = await s.stt.connected()
            await session.send(confident("when do you open"))
            request = await s.llm.request(0)
            await request.answered.wait()
            for number in range(1, 6):  # by the last answer the host has read what the model said
                await caller.send("ping")
                await caller.expect("pong", count=number)
            await session.final("When do you open?")
            await caller.expect("metrics", reply=1)
            await caller.type("thanks")
            await caller.expect("metrics", reply=2)
    assert seen[0] == "When do you open?"
    assert "When do you open?" in seen[1]
    asked = [[m["content"] for m in request.messages if m["role"] == "user"] for request in s.llm.requests]
    assert asked == [["when do you open"], ["When do you open?"], ["When do you open?", "thanks"]]


async def test_no_request_goes_out_before_what_was_cut_is_remembered() -> None:
    async with one_call(ms_per_word=400) as (s, caller, call):
        s.llm.reply("Fine.")
        s.llm.reply("Fine.")
        session = await s.stt.connected()
        await session.speech_started()  # all of the next turn but its words is made ready
        await session.final(".")  # and it was a noise
        await caller.expect("transcript")
        await call.say("One two three four five six seven eight nine.")
        await caller.expect("audio", count=15)
        await caller.type("hello")
        await caller.expect("metrics", reply=2)
        assert len(s.llm.requests) == 1
        assert s.llm.requests[0].messages[-2]["content"].endswith("[interrupted by the caller]")


async def test_what_was_made_ready_before_the_agent_spoke_is_made_anew() -> None:
    async with one_call() as (s, caller, call):
        session = await s.stt.connected()
        await session.final(".")  # a noise
        await caller.expect("transcript")
        first = call.preparation.current
        assert first is not None
        await call.say("Are you still there?")
        await caller.expect("metrics", reply=1)
        await session.partial("uh huh")
        await caller.expect("transcript", count=2)
        assert first.task is not None
        await asyncio.wait([first.task], timeout=30)
        assert first.task.done()
        assert call.preparation.current is not None
        assert call.agent.is_current(call.preparation.current.turn)
