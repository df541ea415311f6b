"""Who speaks when, through whole calls in virtual time: the cases of the field, by their ids, and their siblings."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from tests.calls import test_short_answers
from tests.calls.turn_taking import (
    ENDED,
    STARTED,
    STATEMENT,
    audio_times,
    final,
    hear,
    hear_into_reply,
    partial,
    turns,
)
from voice_host.testing import CallTool, ScriptedModel, Think, call_agent, in_virtual_time
from voice_host.turns.caller_voice import NOISE_AFTER_S
from voice_host_sdk import AgentConfig, ProviderError, SilenceConfig, tool

CASES = json.loads((Path(__file__).parents[1] / "data" / "field_cases_turns.json").read_text(encoding="utf-8"))


def test_every_case_has_its_test() -> None:
    tests = [*globals(), *vars(test_short_answers)]
    named = {name[5:10].replace("_", "-") for name in tests if name.startswith("test_1")}
    assert named == {case["id"] for case in CASES}


# --- the agent does not begin over a caller who speaks ------------------------------------------------------------


@in_virtual_time
async def test_15_16_a_caller_who_goes_on_is_not_answered_in_between(hears_end: bool) -> None:
    model = ScriptedModel([Think(0.6), "For how many?"], "A table for four.")
    async with call_agent(AgentConfig(), model) as call:
        heard = audio_times(call)
        await call.speak("I need a table")
        went_on_s = call.now_s
        end = [(2.6, ENDED)] if hears_end else []
        await hear(call, (0.2, STARTED), (1.4, partial("and it")), *end, (3.0, final("and it is for four")))
        assert heard == []
        assert (await call.reply()).heard == "A table for four."
        assert min(heard) > went_on_s + 3.0
    assert turns(call) == ["I need a table", "and it is for four"]
    assert model.asked[-1].history == ("caller: I need a table", "caller: and it is for four")


@in_virtual_time
async def test_15_17_the_greeting_waits(hears_end: bool) -> None:
    model = ScriptedModel("A table, certainly.")
    async with call_agent(AgentConfig(greeting="Welcome to the desk."), model, hear_greeting=False) as call:
        heard = audio_times(call)
        end = [(2.0, ENDED)] if hears_end else []
        await hear(call, (0.0, STARTED), (1.2, partial("I want")), *end, (2.4, final("I want a table")))
        assert heard == []
        assert (await call.reply()).heard == "A table, certainly."  # who has said what it is about is not greeted
    assert model.asked[0].history == ("caller: I want a table",)


@in_virtual_time
async def test_15_18_the_reply_waits_while_the_caller_goes_on_during_a_tool() -> None:
    async def look() -> str:
        """Look."""
        await asyncio.sleep(0.8)
        return "free"

    model = ScriptedModel(CallTool("look"), "It is free.", "It is free for four.")
    async with call_agent(AgentConfig(tools=(look,)), model) as call:
        heard = audio_times(call)
        await call.type("Is the table free?")
        await hear(call, (0.3, STARTED), (0.9, partial("I mean")), (2.3, ENDED), (2.5, final("I mean for four")))
        assert heard == []
        assert call.tool("look").ok
        assert (await call.reply()).heard == "It is free for four."


@in_virtual_time
async def test_the_greeting_is_spoken_after_a_noise(hears_end: bool) -> None:
    async with call_agent(AgentConfig(greeting="Welcome to the desk."), hear_greeting=False) as call:
        heard = audio_times(call)
        await hear(call, (0.05, STARTED), *([(0.6, ENDED)] if hears_end else []))
        assert (await call.reply()).heard == "Welcome to the desk."
        assert 0.6 < min(heard) < 1.7


@pytest.mark.fault("stt: never tells the end of speech")
@pytest.mark.parametrize("on_and_off", [False, True])
@in_virtual_time
async def test_a_recogniser_that_never_tells_the_end_of_speech_does_not_silence_the_agent(on_and_off: bool) -> None:
    async with call_agent(AgentConfig(greeting="Welcome to the desk."), hear_greeting=False) as call:
        heard = audio_times(call)
        noise = [(0.1 + 0.3 * at, ENDED if at % 2 else STARTED) for at in range(40)] if on_and_off else [(0.1, STARTED)]
        await hear(call, *noise)
        await call.reply()
        assert 0.1 + NOISE_AFTER_S < min(heard) < 0.5 + NOISE_AFTER_S


@in_virtual_time
async def test_session_say_waits_for_the_caller_and_is_dropped_for_the_callers_turn() -> None:
    async with call_agent(AgentConfig(), ScriptedModel("Fine.")) as call:
        heard = audio_times(call)
        await hear(call, (0.0, STARTED), (0.5, partial("how")))
        await call.session.say("Your taxi is here.")
        await hear(call, (0.0, partial("how are")), (1.0, ENDED), (1.3, final("how are you")))
        assert heard == []
        assert (await call.reply()).heard == "Fine."
        await hear(call, (0.5, STARTED))
        await call.session.say("Your taxi is here.")
        before = len(heard)
        await hear(call, (0.8, ENDED))
        assert len(heard) == before
        assert (await call.reply()).heard == "Your taxi is here."


@in_virtual_time
async def test_what_the_agent_says_of_itself_is_not_dropped_for_a_back_channel() -> None:
    async with call_agent(AgentConfig(greeting="Welcome."), ScriptedModel(), hear_greeting=False) as call:
        await hear(call, (0.05, STARTED), (0.4, ENDED), (0.6, final("Yeah?")))
        assert (await call.reply()).heard == "Welcome."
        await hear(call, (0.5, STARTED))
        await call.session.say("Your taxi is here.")
        await hear(call, (0.5, ENDED), (0.7, final("Okay.")))
        assert (await call.reply()).heard == "Your taxi is here."


@in_virtual_time
async def test_what_waits_to_be_said_after_a_reply_waits_for_the_caller_too() -> None:
    async with call_agent(AgentConfig(), ScriptedModel("One two three four.", "Fine.")) as call:
        await call.type("Count")
        await call.wait(0.5)
        await call.session.say("And then some.")
        await hear_into_reply(call, (1.15, STARTED))  # the last of it has been sent
        reply = await call.reply()
        assert not reply.interrupted
        heard = audio_times(call)
        await hear(call, (0.2, partial("how")), (0.9, ENDED), (1.1, final("how nice of you")))
        assert heard == []
        assert (await call.reply()).heard == "Fine."


@in_virtual_time
async def test_a_caller_who_speaks_is_not_asked_whether_anybody_is_there() -> None:
    silence = SilenceConfig(nudge_after_s=2, idle_timeout_s=None)
    async with call_agent(AgentConfig(silence=silence), ScriptedModel("Fine.")) as call:
        heard = audio_times(call)
        await hear(call, (0.0, STARTED), (4.0, partial("well")), (5.5, ENDED), (5.9, final("well I am thinking")))
        assert heard == []
        assert (await call.reply()).heard == "Fine."


@in_virtual_time
async def test_no_filler_covers_the_callers_own_words() -> None:
    model = ScriptedModel([Think(4.0), "It is free."], "It is free for four.")
    silence = SilenceConfig(filler_after_s=1.0)
    async with call_agent(AgentConfig(silence=silence), model) as call:
        await call.type("Is it free?")
        await hear(call, (0.2, STARTED), (0.8, partial("I mean")), (2.6, ENDED), (2.8, final("I mean for four")))
        await call.reply()
        assert call.voice.spoken == ["It is free for four."]


@in_virtual_time
async def test_a_typed_turn_is_answered_when_the_caller_does_not_speak() -> None:
    async with call_agent(AgentConfig(), ScriptedModel("Fine.")) as call:
        heard = audio_times(call)
        await hear(call, (0.0, STARTED))
        await call.type("Hello")
        await hear(call, (1.5, ENDED))
        assert heard == []
        assert (await call.reply()).heard == "Fine."


@in_virtual_time
async def test_a_reply_is_not_resumed_over_a_caller_who_still_makes_a_noise() -> None:
    async with call_agent(AgentConfig(), ScriptedModel(STATEMENT)) as call:
        await call.type("When?")
        await hear_into_reply(call, (1.0, STARTED), (4.5, ENDED))
        heard = audio_times(call)
        cut, resumed = await call.reply(), await call.reply()
        assert cut.interrupted
        assert resumed.heard.endswith("ten in the evening.")
        assert (cut.ended_s or 0) + 3.0 + 0.8 <= min(heard)  # not 2 s after the cut


@in_virtual_time
async def test_a_noise_while_the_agent_thinks_delays_the_reply_and_changes_nothing_else() -> None:
    model = ScriptedModel([Think(0.6), "Fine."])
    async with call_agent(AgentConfig(), model) as call:
        heard = audio_times(call)
        await call.type("Hello")
        await hear(call, (0.4, STARTED), (1.0, ENDED))
        assert heard == []
        assert (await call.reply()).heard == "Fine."
    assert len(model.asked) == 1


@in_virtual_time
async def test_nobody_is_hung_up_on_while_speaking() -> None:
    async with call_agent(AgentConfig(), ScriptedModel("Of course.")) as call:
        await hear(call, (0.0, STARTED), (0.5, partial("one")))
        await call.session.end("done")
        await hear(call, (0.5, ENDED), (0.9, final("one more thing please")))
        assert not call.over
        assert (await call.reply()).heard == "Of course."
        await hear(call, (0.0, STARTED))
        await call.session.end("done")
        assert not call.over
        await hear(call, (0.5, ENDED))
        assert (await call.ended()).detail == "done"


# --- transcripts without a word, and a turn whose final never comes ------------------------------------------------


@pytest.mark.parametrize("noise", ["."])
@in_virtual_time
async def test_16_03_a_full_stop_is_no_turn(noise: str) -> None:
    await _is_no_turn(noise)


@pytest.mark.parametrize("noise", ["...", "…", "-", "?!", "♪", ""])
@in_virtual_time
async def test_16_04_marks_are_no_turn(noise: str) -> None:
    await _is_no_turn(noise)


async def _is_no_turn(noise: str) -> None:
    model = ScriptedModel()
    async with call_agent(AgentConfig(), model) as call:
        await hear(call, (0.1, STARTED), (0.3, partial(noise)), (0.5, ENDED), (0.8, final(noise)))
        await call.wait(10)
    assert (model.asked, turns(call), call.replies) == ([], [], [])


@in_virtual_time
async def test_16_05_two_marks_over_a_reply_are_not_two_words(hears_end: bool) -> None:
    model = ScriptedModel(STATEMENT)
    async with call_agent(AgentConfig(), model) as call:
        await call.type("When?")
        await hear_into_reply(call, (1.0, STARTED), (1.1, partial(". .")), (1.2, ENDED), (1.4, final(". .")))
        reply = await call.reply()
        assert (reply.heard, reply.interrupted) == (STATEMENT, False)
    assert len(model.asked) == 1


@pytest.mark.parametrize("word", ["7", "да", "好", "ไป", "é"])
@in_virtual_time
async def test_a_letter_or_digit_of_any_script_is_a_turn(word: str) -> None:
    async with call_agent(AgentConfig(), ScriptedModel("Fine.")) as call:
        await call.speak(word)
        assert (await call.reply()).heard == "Fine."


@in_virtual_time
async def test_what_is_typed_is_a_turn_without_a_letter_too() -> None:
    # Nobody types "👍" by breathing, and who has typed something waits for an answer.
    async with call_agent(AgentConfig(), ScriptedModel("Fine.")) as call:
        assert (await call.ask("👍")).heard == "Fine."


@pytest.mark.fault("stt: never sends the final transcript")
@pytest.mark.parametrize("late", ["I need help with my order.", "I need help with my older"])
@in_virtual_time
async def test_16_09_words_whose_final_never_comes_become_the_turn(late: str, hears_end: bool) -> None:
    model = ScriptedModel("What is wrong with it?", "Fine.")
    async with call_agent(AgentConfig(), model) as call:
        end = [(2.2, ENDED)] if hears_end else []
        await hear(
            call, (0.0, STARTED), (0.7, partial("I need help")), (2.0, partial("I need help with my order")), *end
        )
        reply = await call.reply(within_s=8)
        assert reply.heard == "What is wrong with it?"
        assert turns(call) == ["I need help with my order"]
        await hear(call, (0.0, final(late)))  # it does come
        await call.wait(3)
        assert len(model.asked) == 1
        await call.speak("I need help with my order")  # said again
        assert (await call.reply()).heard == "Fine."


@in_virtual_time
async def test_a_recogniser_that_goes_on_with_a_turn_that_was_made_final_gives_only_what_is_new() -> None:
    model = ScriptedModel("With what?", "Fine.")
    async with call_agent(AgentConfig(), model) as call:
        await hear(call, (0.0, STARTED), (0.7, partial("I need help")), (1.0, ENDED))
        await call.reply()
        await hear(call, (0.1, STARTED), (0.7, partial("I need help with my")), (1.5, ENDED))
        await hear(call, (0.3, final("I need help with my order")))
        assert (await call.reply()).heard == "Fine."
    assert turns(call) == ["I need help", "with my order"]


@in_virtual_time
async def test_words_that_have_interrupted_the_agent_reach_the_model_without_a_final() -> None:
    model = ScriptedModel(STATEMENT, "On Sunday, too.")
    async with call_agent(AgentConfig(), model) as call:
        await call.type("When?")
        await hear_into_reply(call, (1.0, STARTED), (1.3, partial("and on Sunday")), (1.6, ENDED))
        assert (await call.reply()).interrupted
        assert (await call.reply()).heard == "On Sunday, too."
    assert turns(call) == ["When?", "and on Sunday"]


@in_virtual_time
async def test_words_reach_the_model_although_the_recogniser_is_lost_for_good() -> None:
    async with call_agent(AgentConfig(), ScriptedModel("With what?", "Fine.", "Fine.")) as call:
        await hear(call, (0.0, STARTED), (0.7, partial("I need help")))
        await call.break_recogniser(ProviderError("No more.", code="stt_auth", retryable=False))
        await call.wait(10)
    assert turns(call) == ["I need help"]


@in_virtual_time
async def test_an_empty_final_takes_its_words_back() -> None:
    # The recogniser has looked again: what it took for a word was a noise.
    model = ScriptedModel()
    async with call_agent(AgentConfig(), model) as call:
        await hear(call, (0.0, STARTED), (0.5, partial("the")), (0.6, ENDED), (0.9, final("")))
        await call.wait(10)
    assert model.asked == []


@in_virtual_time
async def test_a_tool_of_a_reply_that_waits_is_not_cut_by_a_listener() -> None:
    @tool(on_interrupt="cancel")
    async def book() -> str:
        """Book."""
        await asyncio.sleep(1.5)
        return "booked"

    model = ScriptedModel(CallTool("book"), "It is booked.")
    async with call_agent(AgentConfig(tools=(book,)), model) as call:
        await call.type("Book it")
        await hear(call, (0.2, STARTED), (0.6, ENDED), (0.8, final("okay")))
        assert (await call.reply()).heard == "It is booked."
        assert call.tool("book").ok
