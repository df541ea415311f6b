"""Whole calls to the front desk. They take no key, no microphone and no time."""

from __future__ import annotations

from voice_host.testing import CallTool, Fail, ScriptedModel, Think
from voice_host.testing.fixtures import CallAgent, ServeAgent

BOOK = CallTool("book_table", name="Kim", day="friday", time="7 pm", guests=2)


async def test_a_table_is_booked(call_agent: CallAgent) -> None:
    model = ScriptedModel(BOOK, "You are booked for Friday. Your reference is B 1.")
    async with call_agent(model) as call:
        reply = await call.ask("A table for two on Friday at seven, please. My name is Kim.")

        assert reply.text == "You are booked for Friday. Your reference is B 1."
        assert call.tool("book_table").arguments["guests"] == 2
        assert "on Friday at 7 pm, in the name of Kim" in call.tool("book_table").result
        assert call.state["booking"] == "B 1"


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


async def test_a_booking_is_made_even_if_the_caller_talks_over_it(call_agent: CallAgent) -> None:
    model = ScriptedModel(["Let me see, one moment please.", BOOK], "That is booked.", "Yes, it did: B 1.")
    async with call_agent(model) as call:
        await call.type("A table for two on Friday at seven. I am Kim.")
        await call.interrupt("Did that work?", into_reply_s=0.5)
        assert (await call.reply()).heard == "Yes, it did: B 1."
        assert call.state["booking"] == "B 1"
    assert "tool: I have booked" in "\n".join(model.asked[-1].history)


async def test_a_caller_whose_process_was_lost_goes_on(call_agent: CallAgent) -> None:
    async with call_agent(ScriptedModel(BOOK, "You are booked for Friday.", "Your reference is B 1.")) as call:
        await call.ask("A table for two on Friday at seven, please. My name is Kim.")
        await call.lose_worker()
        assert await call.reconnect()
        assert (await call.ask("What is my reference?")).heard == "Your reference is B 1."
        assert call.state["booking"] == "B 1"


async def test_two_callers_share_the_book_and_nothing_else(serve_agent: ServeAgent) -> None:
    model = ScriptedModel(BOOK, "Booked.", CallTool("find_booking", name="Kim"), "I have found it.")
    async with serve_agent(model) as agent, agent.call() as kim, agent.call() as partner:
        await kim.ask("A table for two on Friday at seven, in the name of Kim.")
        await partner.ask("Is there a table in the name of Kim?")

        assert "The reference is B 1" in partner.tool("find_booking").result
        assert "booking" not in partner.state


async def test_two_houses_do_not_share_their_book(call_agent: CallAgent) -> None:
    async with call_agent(ScriptedModel(BOOK, "Booked.")) as call:
        await call.ask("A table for two on Friday at seven, in the name of Kim.")
    look = ScriptedModel(CallTool("find_booking", name="Kim"), "There is none.")
    async with call_agent(look, settings={"restaurant_name": "Chez Nous"}) as call:
        await call.ask("Is there a table in the name of Kim?")
        assert "cannot find" in call.tool("find_booking").result


async def test_a_caller_whose_name_the_app_sends_is_greeted_by_it(call_agent: CallAgent) -> None:
    async with call_agent(metadata={"name": "Ada"}) as call:
        assert call.greeting
        assert call.greeting.heard == "Hello Ada, this is The Copper Spoon. How can I help you?"


async def test_the_model_knows_the_day_and_the_house(call_agent: CallAgent) -> None:
    model = ScriptedModel("Good evening.")
    async with call_agent(model, settings={"restaurant_name": "Chez Nous"}) as call:
        await call.ask("Hello?")
    assert "the restaurant Chez Nous" in model.asked[0].instructions
    assert "Today is " in model.asked[0].instructions
    assert "book_table" in model.asked[0].tools


async def test_a_model_that_takes_long_or_fails_is_no_silence(call_agent: CallAgent) -> None:
    model = ScriptedModel([Think(6), "We are open from noon."], Fail(401))
    async with call_agent(model) as call:
        assert (await call.ask("When are you open?")).heard == "We are open from noon."
        assert call.voice.spoken[2:] == ["One moment, please.", "We are open from noon."]
        assert (await call.ask("Sure?")).heard.startswith("Sorry, something went wrong")
        assert [error.code for error in call.errors] == ["model_auth"]
