"""Turn-taking as callers expect it, with the times that agents really have: whole calls in virtual time."""

from __future__ import annotations

import asyncio

import pytest

from voice_host.testing import CallTool, ScriptedModel, TestCall, Think, call_agent, in_virtual_time
from voice_host_sdk import AgentConfig, SilenceConfig, TurnConfig, tool

SEVEN = "One two three four five six seven."


@in_virtual_time
async def test_an_interruption_that_was_no_turn_is_resumed_as_a_new_reply() -> None:
    model = ScriptedModel(SEVEN, "Fine.")
    async with call_agent(AgentConfig(), model) as call:
        await call.type("Count")
        await call.wait(0.8)
        await call.cough(for_s=1.0)
        cut, resumed = await call.reply(), await call.reply()
        assert cut.heard == "One two three four"
        assert resumed.text == "two three four five six seven."  # somebody who was interrupted goes back a little
        assert resumed.began_s == pytest.approx((cut.ended_s or 0) + 2.0, abs=0.01)
        await call.ask("Thanks")
    assert model.asked[1].history == (
        "caller: Count",
        "agent: One two three four [interrupted by the caller]",
        "agent: two three four five six seven.",
        "caller: Thanks",
    )


@pytest.mark.parametrize(("for_s", "cut"), [(0.1, False), (0.3, False), (0.5, True), (1.0, True)])
@in_virtual_time
async def test_a_noise_stops_the_agent_only_when_it_lasts(for_s: float, cut: bool) -> None:
    async with call_agent(AgentConfig(), ScriptedModel(SEVEN)) as call:
        await call.type("Count")
        await call.wait(0.8)
        await call.cough(for_s=for_s)
        assert (await call.reply()).interrupted is cut


@in_virtual_time
async def test_dead_air_is_covered_and_the_filler_is_not_remembered() -> None:
    async def slow() -> str:
        """Look it up."""
        await asyncio.sleep(12)
        return "nine"

    model = ScriptedModel(["Let me look.", CallTool("slow")], "At nine.", "Bye.")
    async with call_agent(AgentConfig(tools=(slow,)), model) as call:
        reply = await call.ask("When?")
        assert reply.text == "Let me look. At nine."
        assert call.voice.spoken == ["Let me look.", "One moment, please.", "I am still working on it.", "At nine."]
        await call.ask("Thanks")
    assert "One moment" not in str(model.asked[2].history)


@in_virtual_time
async def test_a_step_limit_ends_in_words() -> None:
    def again() -> str:
        """Do it again."""
        return "again"

    config = AgentConfig(tools=(again,), max_steps=2, step_limit_phrase="That was too much.")
    async with call_agent(config, ScriptedModel(CallTool("again"), CallTool("again"))) as call:
        assert (await call.ask("Go")).heard == "That was too much."
        assert [error.code for error in call.errors] == ["step_limit"]


@in_virtual_time
async def test_a_silent_caller_is_asked_twice_and_then_hung_up_on() -> None:
    async with call_agent(AgentConfig(greeting="Hello.")) as call:
        asked = [await call.reply(), await call.reply()]
        assert [reply.heard for reply in asked] == list(SilenceConfig().nudges)
        greeted_s = call.greeting.ended_s if call.greeting else None
        assert greeted_s is not None
        assert asked[0].began_s == pytest.approx(greeted_s + 30, abs=0.1)
        end = await call.ended()
        assert call.now_s == pytest.approx(greeted_s + 180, abs=0.1)
    assert (end.reason, end.detail, end.close_code) == ("ended", "nothing was said for too long", 1000)


@in_virtual_time
async def test_a_caller_who_answers_is_not_hung_up_on() -> None:
    async with call_agent(AgentConfig(), ScriptedModel("Good.", repeat=True)) as call:
        for _ in range(10):
            assert (await call.reply()).text == "Are you still there?"
            await call.speak("Yes, I am.")
            await call.reply()
        assert call.now_s > 300
        assert not call.over


@in_virtual_time
async def test_the_longest_call_ends_even_while_somebody_talks() -> None:
    config = AgentConfig(silence=SilenceConfig(max_call_s=60))
    async with call_agent(config, ScriptedModel(SEVEN, repeat=True)) as call:
        while not call.over:
            await call.type("Count")
            await call.wait(5)
    assert call.end.detail == "the call reached its maximum length"
    assert call.end.session is not None
    assert call.end.session.duration_s == pytest.approx(60, abs=0.1)


@in_virtual_time
async def test_barge_in_works_in_the_greeting_too() -> None:
    config = AgentConfig(greeting="Welcome to the very long greeting of this house.")
    async with call_agent(config, ScriptedModel("Yes."), hear_greeting=False) as call:
        greeting = await call.interrupt("hello there", into_reply_s=0.4)
        assert (greeting.interrupted, greeting.heard) == (True, "Welcome to the")
        assert (await call.reply()).heard == "Yes."


@in_virtual_time
async def test_without_barge_in_the_agent_finishes_and_answers_then() -> None:
    config = AgentConfig(turns=TurnConfig(barge_in=False))
    async with call_agent(config, ScriptedModel(SEVEN, "Yes.")) as call:
        await call.type("Count")
        await call.interrupt("what about Sunday", into_reply_s=0.5)
        assert (await call.reply()).heard == SEVEN
        assert (await call.reply()).heard == "Yes."
        assert [frame["text"] for frame in call.frames if frame["type"] == "turn"] == ["Count", "what about Sunday"]


@in_virtual_time
async def test_the_clients_playback_decides_what_was_heard() -> None:
    async with call_agent(AgentConfig(), ScriptedModel(SEVEN)) as call:
        await call.type("Count")
        await call.wait(1.0)
        await call.send({"type": "playback", "reply": 1, "played_ms": 0})
        await call.press_stop()
        assert (await call.reply()).heard == "One"


@in_virtual_time
async def test_a_tool_that_must_finish_is_awaited_by_the_next_reply() -> None:
    @tool(on_interrupt="finish")
    async def book() -> str:
        """Book it."""
        await asyncio.sleep(3)
        return "booked as B 7"

    model = ScriptedModel(CallTool("book"), "It is booked.")
    async with call_agent(AgentConfig(tools=(book,)), model) as call:
        await call.type("Book")
        await call.wait(1)
        await call.type("Did it work?")
        await call.wait(1)
        assert len(model.asked) == 1
        assert (await call.reply()).heard == "It is booked."
        assert call.now_s > 3
    assert "tool: booked as B 7" in model.asked[1].history


@in_virtual_time
async def test_a_slow_model_is_cut_by_the_next_turn_and_both_turns_are_remembered() -> None:
    model = ScriptedModel([Think(4), "Never said."], "Both.")
    async with call_agent(AgentConfig(), model) as call:
        await call.type("First")
        await call.wait(1)
        assert (await call.ask("Second")).heard == "Both."
    assert model.asked[1].history == ("caller: First", "caller: Second")


def pauses(call: TestCall) -> list[tuple[str, int]]:
    """Return what the client was told that concerns the playback of what it has."""
    return [
        (frame["type"], frame["reply"]) for frame in call.frames if frame["type"] in ("hold", "unhold", "cancelled")
    ]


@pytest.mark.parametrize(("for_s", "then"), [(0.2, "unhold"), (1.0, "cancelled")])
@in_virtual_time
async def test_the_client_pauses_at_the_onset_until_it_is_clear_what_it_was(for_s: float, then: str) -> None:
    async with call_agent(AgentConfig(), ScriptedModel(SEVEN)) as call:
        await call.type("Count")
        await call.wait(0.8)
        assert pauses(call) == []
        await call.cough(for_s=for_s)
        await call.reply()
        number = call.frames[-1].get("reply", 2)
        assert pauses(call)[:2] == [("hold", number), (then, number)]
        assert ("unhold", number) not in pauses(call) or then == "unhold"


@in_virtual_time
async def test_speech_before_a_reply_is_audible_pauses_nothing() -> None:
    async with call_agent(AgentConfig(), ScriptedModel([Think(2.0), SEVEN])) as call:
        await call.type("Count")
        await call.cough(for_s=0.2)
        await call.reply()
        assert pauses(call) == []


@in_virtual_time
async def test_a_client_that_paused_just_before_the_end_of_a_reply_plays_the_rest() -> None:
    async with call_agent(AgentConfig(), ScriptedModel(SEVEN, SEVEN, "Fine.")) as call:
        first = await call.ask("Count")
        assert first.audible_s is not None
        assert first.ended_s is not None
        await call.type("Again")
        second = await call.interrupt("Oh", into_reply_s=first.ended_s - first.audible_s - 0.15, for_s=0.2)
        await call.wait(1)
        assert not second.interrupted
        assert [kind for kind, _ in pauses(call)] == ["hold", "unhold"]
