"""Whole calls to the front desk. They take no key, no microphone and no time."""

from __future__ import annotations

from voice_host.testing import CallTool, ScriptedModel
from voice_host.testing.fixtures import CallAgent

BOOK = CallTool("book_table", name="Kim", day="friday", time="7 pm", guests=2)


async def test_a_table_is_booked(call_agent: CallAgent) -> None:
    model = ScriptedModel(BOOK, "You are booked for Friday. Your reference is B 1.")
    async with call_agent(model) as call:
        reply = await call.ask("A table for two on Friday at seven, please. My name is Kim.")

        assert reply.text == "You are booked for Friday. Your reference is B 1."
        assert call.tool("book_table").arguments["guests"] == 2
        assert "on Friday at 7 pm, in the name of Kim" in call.tool("book_table").result
        assert call.state["booking"].reference == "B 1"


async def test_a_caller_speaks_and_interrupts(call_agent: CallAgent) -> None:
    model = ScriptedModel(
        "We are open from noon to ten in the evening on every day of the week but Monday.", "On Sundays, too."
    )
    async with call_agent(model) as call:
        await call.speak("When are you open?")
        cut = await call.interrupt("And on Sundays?", into_reply_s=0.7)
        answer = await call.reply()

        assert cut.interrupted
        assert cut.heard == "We are open from"
        assert answer.heard == "On Sundays, too."
        assert model.asked[-1].history[-2:] == (
            "agent: We are open from [interrupted by the caller]",
            "caller: And on Sundays?",
        )


async def test_somebody_who_says_nothing_is_asked_and_then_hung_up_on(call_agent: CallAgent) -> None:
    async with call_agent() as call:
        assert (await call.reply()).text == "Are you still there?"
        end = await call.ended()

    assert end.detail == "nothing was said for too long"


async def test_the_agent_hangs_up_after_its_goodbye(call_agent: CallAgent) -> None:
    async with call_agent() as call:
        reply = await call.ask("Thank you, goodbye!")
        await call.ended()

    assert reply.heard == "Thank you for calling. Goodbye!"
    assert (call.end.reason, call.end.detail) == ("ended", "goodbye")
    assert call.callbacks == [
        "on_session_starting",
        "on_session_created",
        "on_agent_reply",  # the greeting
        "on_user_turn",
        "on_tool_call",
        "on_agent_reply",
        "on_session_destroyed",
    ]
