"""Tests of an agent, with the kit."""

from __future__ import annotations

from typing import Any, assert_type

import pytest

from voice_host.testing import (
    Asked,
    CallEnd,
    CallTool,
    Fail,
    Reply,
    Say,
    ScriptedModel,
    TestAgent,
    TestCall,
    TestSession,
    Think,
    call_agent,
    in_virtual_time,
    run_in_virtual_time,
    serve_agent,
)
from voice_host.testing.fixtures import CallAgent, ServeAgent
from voice_host_sdk import AgentConfig, Caller, LifecycleCallbacks, Session, ToolCall


@pytest.fixture
def voice_agent() -> str:
    return "front-desk"


def answer(asked: Asked) -> str:
    return f"It is {asked.results[0]}."


MODEL = ScriptedModel(
    "Hello.",
    [Say("Let me see.", words_per_s=4), CallTool("book_table", name="Kim", guests=2)],
    answer,
    lambda asked: [Think(2), asked.text],
    Fail(429),
    repeat=True,
)


async def test_with_fixtures(call_agent: CallAgent, serve_agent: ServeAgent) -> None:
    async with call_agent(MODEL, settings={"name": "Chez Nous"}, hear_greeting=False) as call:
        assert_type(call, TestCall)
        assert_type(await call.ask("Hello?"), Reply)
        assert_type(await call.interrupt("Wait.", into_reply_s=0.7, for_s=1.5), Reply)
        assert_type(call.tool("book_table"), ToolCall)
        assert_type(call.session, Session)
        assert_type(call.state, dict[str, Any])
        assert_type(call.callbacks, list[str])
        assert_type(await call.hang_up(), CallEnd)
        await call.speak("Hello", at="2.0")  # type: ignore[call-arg]
        await call.interrupt("Wait.")  # type: ignore[call-arg]
        call.type("Hello?")  # type: ignore[unused-coroutine]
    async with serve_agent(agent=AgentConfig(), callbacks=LifecycleCallbacks()) as agent:
        assert_type(agent, TestAgent)
        async with agent.call(caller=Caller("kim"), metadata={"name": "Kim"}, ms_per_word=200) as call:
            await call.wait(3)
        agent.call(greeting=False)  # type: ignore[call-arg]
    call_agent("demo", hears_greeting=False)  # type: ignore[call-arg]
    call_agent(settings=["name"])  # type: ignore[arg-type]


@in_virtual_time
async def test_without_fixtures() -> None:
    async with call_agent("front-desk", "demo") as call:
        assert_type(call.greeting, Reply | None)
    async with serve_agent(AgentConfig(), MODEL) as agent:
        assert_type(agent.calls, list[TestCall])


async def seven() -> int:
    return 7


assert_type(run_in_virtual_time(seven()), int)
assert_type(in_virtual_time(seven)(), int)
session: Session = TestSession(metadata={"name": "Kim"})

ScriptedModel(7)  # type: ignore[arg-type]
CallTool()  # type: ignore[call-arg]
Say("Hello.", words_per_second=4)  # type: ignore[call-arg]
