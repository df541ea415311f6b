"""The process of a call is lost, and the caller comes back to another one, which has only the checkpoints."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.calls.lost_worker import Front, Restoring, closed, frames, token_of, told, worker
from voice_host.sessions.resume_state import ResumeState
from voice_host.testing import CallTool, Say, ScriptedModel, Think, in_virtual_time
from voice_host.testing.virtual_time import run_in_virtual_time
from voice_host_sdk import AgentConfig, Session, SilenceConfig, tool

COUNT = "One two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen."


async def remember(session: Session, word: str) -> str:
    """Remember a word."""
    session.state |= {"word": word, "socket": object()}
    return "noted"


# --- where it was lost ------------------------------------------------------------------------------------------------


@in_virtual_time
async def test_while_listening() -> None:
    config = AgentConfig(greeting="Hello.", tools=(remember,))
    there_model, seen_here, seen_there = ScriptedModel("Plum."), Restoring(), Restoring()
    async with (
        worker(ScriptedModel(CallTool("remember", word="plum"), "Noted."), config, callbacks=seen_here) as here,
        worker(there_model, config, callbacks=seen_there) as there,
    ):
        caller = await here.call()
        await caller.wait(5)
        await caller.type("Remember plum")
        await caller.wait(10)
        back = await there.back(caller, here.front.saved)
        (ready,) = frames(back, "ready")
        assert ready["resumed"] is True
        assert ready["session_id"] == frames(caller, "ready")[0]["session_id"]
        assert ready["resume_token"] != token_of(caller)
        await back.wait(10)
        assert told(back) == [], "there was nothing left to say"
        await back.type("Which word?")
        await back.wait(5)
        assert [(frame["reply"], frame["text"]) for frame in frames(back, "chat")] == [(3, "Plum.")], "ids go on"
        assert there_model.asked[0].history == (
            "agent: Hello.",
            "caller: Remember plum",
            "tool: noted",
            "agent: Noted.",
            "caller: Which word?",
        )
        assert there.session.state == {"word": "plum", "replies": 3}
        assert seen_there.seen[0] == ("restored", {"word": "plum", "replies": 2}), "also what a callback changed"
        assert "created" not in seen_there.names
        await back.leave()
        assert there.front.over == [ready["session_id"]]
        await caller.leave()


@in_virtual_time
async def test_while_a_greeting_is_spoken() -> None:
    config = AgentConfig(greeting=COUNT)
    async with worker(config=config) as here, worker(config=config) as there:
        caller = await here.call()
        await caller.wait(0.8)
        back = await there.back(caller, here.front.saved)
        await back.wait(5)
        (rest,) = told(back)
        assert COUNT.endswith(rest)
        assert not frames(back, "greeting"), "it is not greeted again"
        await back.leave()
        await caller.leave()


@in_virtual_time
async def test_while_a_reply_is_spoken() -> None:
    model = ScriptedModel("Yes.")
    async with worker(ScriptedModel(COUNT), ms_per_word=500) as here, worker(model) as there:
        caller = await here.call()
        await caller.type("Count")
        await caller.wait(6.5)
        back = await there.back(caller, here.front.saved)
        await back.wait(5)
        (rest,) = told(back)
        assert COUNT.endswith(rest)
        words = COUNT.split()
        heard = len(words) - len(rest.split())
        assert 5 <= heard <= 12, "of about twelve words, at most those of the last two seconds and three are repeated"
        await back.type("And?")
        await back.wait(5)
        question, cut, again, _ = model.asked[0].history
        assert question == "caller: Count"
        assert cut.startswith("agent: One two")
        assert cut.endswith("[interrupted by the caller]")
        assert again == f"agent: {rest}"
        await back.leave()
        await caller.leave()


@in_virtual_time
async def test_while_the_model_is_asked() -> None:
    model = ScriptedModel("At nine.")
    async with worker(ScriptedModel([Think(60), Say("Too late.")])) as here, worker(model) as there:
        caller = await here.call()
        await caller.type("When do you open?")
        await caller.wait(0.1)
        back = await there.back(caller, here.front.saved)
        await back.wait(5)
        assert told(back) == ["At nine."]
        assert not frames(back, "turn"), "it was announced before"
        assert model.asked[0].history == ("caller: When do you open?",)
        await back.leave()
        await caller.leave()


@pytest.mark.parametrize("on_interrupt", ["cancel", "finish", "detach"])
def test_while_a_tool_runs(on_interrupt: Any) -> None:
    run_in_virtual_time(tool_runs(on_interrupt))


async def tool_runs(on_interrupt: Any) -> None:
    known: list[ResumeState] = []
    fronts: list[Front] = []
    runs: list[str] = []

    @tool(on_interrupt=on_interrupt)
    async def book() -> str:
        """Book."""
        runs.append("here")
        known.append(fronts[0].state)
        await asyncio.sleep(15)
        return "booked"

    config, model = AgentConfig(tools=(book,)), ScriptedModel("I do not know.")
    async with worker(ScriptedModel(CallTool("book"), "Booked."), config) as here, worker(model, config) as there:
        fronts.append(here.front)
        caller = await here.call()
        await caller.type("Book")
        await caller.wait(1)
        assert len(known) == 1, "the front knew before the tool did anything"
        assert known[0].call is not None
        assert known[0].call.unanswered == ""
        back = await there.back(caller, here.front.saved)
        await back.wait(5)
        assert told(back) == []
        assert runs == ["here"]
        await back.type("And?")
        await back.wait(5)
        assert model.asked[0].history == (
            "caller: Book",
            "tool: Interrupted before it had a result. It may or may not have been done.",
            "caller: And?",
        )
        assert runs == ["here"]
        await back.leave()
        await caller.leave()


@in_virtual_time
async def test_after_a_tool_while_the_model_is_asked_again() -> None:
    config, model = AgentConfig(tools=(remember,)), ScriptedModel("Plum.")
    here_model = ScriptedModel(CallTool("remember", word="plum"), [Think(60), Say("Too late.")])
    async with worker(here_model, config) as here, worker(model, config) as there:
        caller = await here.call()
        await caller.type("Remember plum")
        await caller.wait(1)
        back = await there.back(caller, here.front.saved)
        await back.wait(5)
        assert told(back) == [], "a tool ran, so the turn is not answered again"
        assert there.session.state == {"word": "plum"}
        await back.type("Which word?")
        await back.wait(5)
        assert model.asked[0].history == ("caller: Remember plum", "tool: noted", "caller: Which word?")
        await back.leave()
        await caller.leave()


@in_virtual_time
async def test_while_the_reply_after_a_tool_is_spoken() -> None:
    config, model = AgentConfig(tools=(remember,)), ScriptedModel("Yes.")
    here_model = ScriptedModel(CallTool("remember", word="plum"), COUNT)
    async with worker(here_model, config, ms_per_word=500) as here, worker(model, config) as there:
        caller = await here.call()
        await caller.type("Remember plum")
        await caller.wait(5)
        back = await there.back(caller, here.front.saved)
        await back.wait(5)
        (rest,) = told(back)
        assert COUNT.endswith(rest)
        assert len(rest) < len(COUNT)
        await back.type("And?")
        await back.wait(5)
        history = model.asked[0].history
        assert history[:2] == ("caller: Remember plum", "tool: noted")
        assert history[2].startswith("agent: One two")
        await back.leave()
        await caller.leave()


@in_virtual_time
async def test_while_a_tool_of_the_turn_before_finishes() -> None:
    """The caller interrupts a reply whose tool goes on, and the next turn waits for it."""

    @tool(on_interrupt="finish")
    async def book() -> str:
        """Book."""
        await asyncio.sleep(10)
        return "booked"

    config, model = AgentConfig(tools=(book,)), ScriptedModel("Fine, thanks.")
    async with worker(ScriptedModel(CallTool("book"), "Good."), config) as here, worker(model, config) as there:
        caller = await here.call()
        await caller.type("Book")
        await caller.wait(1)
        await caller.type("How are you?")
        await caller.wait(1)
        back = await there.back(caller, here.front.saved)
        await back.wait(5)
        assert told(back) == ["Fine, thanks."]
        assert model.asked[0].history == (
            "caller: Book",
            "tool: Interrupted before it had a result. It may or may not have been done.",
            "caller: How are you?",
        )
        await back.leave()
        await caller.leave()


@in_virtual_time
async def test_while_the_caller_was_away() -> None:
    model = ScriptedModel("Yes.")
    async with worker(ScriptedModel(COUNT), ms_per_word=500) as here, worker(model) as there:
        caller = await here.call()
        await caller.type("Count")
        await caller.wait(4)
        await caller.lose_connection()
        await caller.wait(1)
        assert here.manager.parked_sessions == 1
        await here.session.say("Your table is ready.")
        await caller.wait(1)
        back = await there.back(caller, here.front.saved)
        await back.wait(15)
        rest, later = told(back)
        assert COUNT.endswith(rest)
        assert later == "Your table is ready."
        await back.leave()


@in_virtual_time
async def test_while_more_sentences_wait_and_the_agent_is_about_to_hang_up() -> None:
    async with worker(ScriptedModel(COUNT), ms_per_word=500) as here, worker() as there:
        caller = await here.call()
        await caller.type("Count")
        await caller.wait(3)
        await here.session.say("One more thing.")
        await here.session.end("done")
        await caller.wait(0.1)
        back = await there.back(caller, here.front.saved)
        await back.wait(30)
        rest, more = told(back)
        assert COUNT.endswith(rest)
        assert more == "One more thing."
        assert await closed(back) == (1000, "done")
        await back.leave()
        await caller.leave()


@in_virtual_time
async def test_after_the_conversation_was_reset() -> None:
    model = ScriptedModel("Yes.")
    async with worker(ScriptedModel(COUNT), ms_per_word=500) as here, worker(model) as there:
        caller = await here.call()
        await caller.type("Count")
        await caller.wait(4)
        await caller.reset()
        back = await there.back(caller, here.front.saved)
        await back.type("Are you there?")
        await back.wait(5)
        assert told(back) == ["Yes."]
        assert model.asked[0].history == ("caller: Are you there?",)
        await back.leave()
        await caller.leave()


@in_virtual_time
async def test_twice_in_a_row() -> None:
    model = ScriptedModel("At nine.")
    slow = [Think(60), Say("Too late.")]
    async with worker(ScriptedModel(slow)) as first, worker(ScriptedModel(slow)) as second, worker(model) as third:
        caller = await first.call()
        await caller.type("When do you open?")
        again = await second.back(caller, first.front.saved)
        back = await third.back(again, second.front.saved)
        await back.wait(5)
        assert told(back) == ["At nine."]
        assert [frame["reply"] for frame in frames(back, "chat")] == [3]
        for call in (back, again, caller):
            await call.leave()


# --- time -------------------------------------------------------------------------------------------------------------


@in_virtual_time
async def test_limits_of_the_call_go_on() -> None:
    config = AgentConfig(silence=SilenceConfig(nudge_after_s=None, idle_timeout_s=None, max_call_s=100))
    async with worker(config=config) as here, worker(config=config) as there:
        caller = await here.call()
        await caller.wait(50)
        back = await there.back(caller, here.front.saved, age_s=70)  # its last checkpoint was at the beginning
        await back.wait(29)
        assert there.manager.connected_calls == 1
        await back.wait(2)
        assert there.manager.connected_calls == 0
        await back.leave()
        await caller.leave()
