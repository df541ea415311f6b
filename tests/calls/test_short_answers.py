"""One or two words over the agent, through whole calls in virtual time: answers, stop words and back-channels."""

from __future__ import annotations

import pytest

from tests.calls.turn_taking import (
    ENDED,
    QUESTION,
    STARTED,
    STATEMENT,
    audible_s,
    audio_times,
    final,
    hear,
    hear_into_reply,
    turns,
)
from voice_host.testing import ScriptedModel, Think, call_agent, in_virtual_time
from voice_host_sdk import AgentConfig, TurnConfig

# --- short answers over the end of a question ----------------------------------------------------------------------


@pytest.mark.parametrize("answer", ["Yes.", "Yeah", "Okay.", "Right, okay."])
@in_virtual_time
async def test_15_10_yes_just_before_the_question_ends_answers_it(answer: str) -> None:
    model = ScriptedModel(QUESTION, "It is booked.")
    async with call_agent(AgentConfig(), model) as call:
        await call.type("A table, please.")
        await hear_into_reply(call, (3.0 - 0.26, final(answer)))
        asked = await call.reply()
        assert (asked.heard, asked.interrupted) == (QUESTION, False)
        booked = await call.reply()
        assert booked.heard == "It is booked."
        assert booked.began_s == pytest.approx(asked.ended_s, abs=0.05)
    assert model.asked[1].text == answer


@pytest.mark.parametrize("before_end_s", [0.26, 2.0])
@in_virtual_time
async def test_15_11_one_word_over_a_question_answers_it(before_end_s: float) -> None:
    model = ScriptedModel(QUESTION, "Tomorrow it is.")
    async with call_agent(AgentConfig(), model) as call:
        await call.type("A table, please.")
        await hear_into_reply(call, (3.0 - before_end_s, final("Tomorrow.")))
        asked, booked = await call.reply(), await call.reply()
        assert (asked.heard, booked.heard) == (QUESTION, "Tomorrow it is.")
        assert booked.began_s == pytest.approx(asked.ended_s, abs=0.05)
    assert model.asked[1].text == "Tomorrow."


@in_virtual_time
async def test_15_14_words_are_counted_in_scripts_without_spaces(hears_end: bool) -> None:
    long = " ".join([STATEMENT] * 4)
    model = ScriptedModel(long, "はい。")
    async with call_agent(AgentConfig(), model) as call:
        await call.type("When?")
        cut = await call.interrupt("ちょっと待ってください", into_reply_s=1.0, for_s=1.0)
        assert cut.interrupted
        assert (await call.reply()).heard == "はい。"


@pytest.mark.parametrize("spoken_s", [-0.9, -0.5, -0.1, 0.3])
@in_virtual_time
async def test_yeah_around_the_end_of_a_question_is_an_answer(spoken_s: float, hears_end: bool) -> None:
    model = ScriptedModel(QUESTION, "It is booked.")
    async with call_agent(AgentConfig(), model) as call:
        await call.type("A table, please.")
        await call.speak("Yeah", at_s=await audible_s(call) + 3.0 + spoken_s)
        while (reply := await call.reply()).text == QUESTION:
            assert not reply.interrupted
        assert reply.heard == "It is booked."
    assert turns(call) == ["A table, please.", "Yeah"]


@pytest.mark.parametrize("words", ["Anna.", "Prices?", "はい"])
@pytest.mark.parametrize("before_end_s", [0.2, 2.0])
@in_virtual_time
async def test_one_word_over_a_statement_is_answered_when_it_has_ended(words: str, before_end_s: float) -> None:
    telling = "Please tell me your name and the day of your visit."
    async with call_agent(AgentConfig(), ScriptedModel(telling, "Thank you.")) as call:
        await call.type("A table, please.")
        await hear_into_reply(call, (3.3 - before_end_s, final(words)))
        asked, thanked = await call.reply(), await call.reply()
        assert (asked.heard, thanked.heard) == (telling, "Thank you.")
        assert thanked.began_s == pytest.approx(asked.ended_s, abs=0.05)
    assert turns(call) == ["A table, please.", words]


@in_virtual_time
async def test_one_word_over_the_greeting_is_answered() -> None:
    async with call_agent(AgentConfig(greeting="Welcome."), ScriptedModel("Fine."), hear_greeting=False) as call:
        await hear_into_reply(call, (0.1, final("Hello?")))
        greeting, answer = await call.reply(), await call.reply()
        assert (greeting.heard, answer.heard) == ("Welcome.", "Fine.")


@in_virtual_time
async def test_one_word_is_answered_after_a_reply_that_a_noise_has_cut() -> None:
    model = ScriptedModel(STATEMENT, "Thank you.")
    async with call_agent(AgentConfig(), model) as call:
        await call.type("When?")
        await hear_into_reply(call, (1.0, final("Friday.")), (1.5, STARTED), (2.3, ENDED))
        cut, resumed, answer = await call.reply(), await call.reply(), await call.reply()
        assert cut.interrupted
        assert resumed.heard.endswith("ten in the evening.")
        assert answer.heard == "Thank you."


@pytest.mark.parametrize("asking", ["Shall I book it? Just say yes.", "Soll ich buchen?", "Is that right?)"])
@in_virtual_time
async def test_a_question_may_be_followed_by_a_short_sentence(asking: str) -> None:
    async with call_agent(AgentConfig(greeting=asking), ScriptedModel("Booked."), hear_greeting=False) as call:
        length_s = 0.3 * len(asking.split())
        await hear_into_reply(call, (length_s - 0.3, final("Yes.")))
        greeting, booked = await call.reply(), await call.reply()
        assert (greeting.heard, booked.heard) == (asking, "Booked.")


@in_virtual_time
async def test_yeah_over_a_statement_or_early_in_a_question_is_no_turn() -> None:
    model = ScriptedModel(STATEMENT, QUESTION, "Fine.")
    async with call_agent(AgentConfig(), model) as call:
        await call.type("When?")
        await hear_into_reply(call, (4.3, final("Yeah.")))
        assert (await call.reply()).heard == STATEMENT
        await call.wait(5)
        await call.type("A table")
        await hear_into_reply(call, (0.5, final("Okay.")))
        assert (await call.reply()).heard == QUESTION
        await call.wait(5)
        assert len(model.asked) == 2
        await call.ask("Thanks")
    assert turns(call) == ["When?", "Yeah. A table", "Okay. Thanks"]  # kept for the next turn


# --- stop words and back-channels ----------------------------------------------------------------------------------


@pytest.mark.parametrize("words", ["stop", "Stop.", "Wait!", "Hold on.", "hold-on", "Okay, stop", "WAIT"])
@in_virtual_time
async def test_stop_words_interrupt(words: str, hears_end: bool) -> None:
    model = ScriptedModel(STATEMENT, "Yes?")
    async with call_agent(AgentConfig(turns=TurnConfig(barge_in_min_words=4)), model) as call:
        await call.type("When?")
        cut = await call.interrupt(words, into_reply_s=1.0, for_s=0.3)
        assert cut.interrupted
        assert (await call.reply()).heard == "Yes?"
    assert turns(call) == ["When?", words]


@pytest.mark.parametrize(
    "words",
    ["Uh-huh.", "uh huh", "Mm-hmm.", "mm hmm", "Mhm", "Okay, okay.", "Right, right, yeah, okay.", "I see.", "OK OK OK"],
)
@in_virtual_time
async def test_back_channels_over_a_statement_do_not_interrupt(words: str, hears_end: bool) -> None:
    model = ScriptedModel(STATEMENT, "You are welcome.")
    async with call_agent(AgentConfig(), model) as call:
        await call.type("When?")
        told = await call.interrupt(words, into_reply_s=1.0)
        assert (await call.reply()).heard == STATEMENT
        assert not told.interrupted
        await call.wait(3)
        assert len(model.asked) == 1
        await call.ask("Thanks")
    assert turns(call) == ["When?", f"{words} Thanks"]


@in_virtual_time
async def test_a_long_back_channel_whose_words_come_late_is_no_turn() -> None:
    model = ScriptedModel(STATEMENT)
    async with call_agent(AgentConfig(), model) as call:
        await call.type("When?")
        await hear_into_reply(call, (1.0, STARTED), (1.7, ENDED), (1.9, final("Mm-hmm.")))
        cut, resumed = await call.reply(), await call.reply()
        assert cut.interrupted
        assert resumed.heard.endswith("ten in the evening.")
        assert resumed.began_s == pytest.approx((cut.ended_s or 0) + 0.4, abs=0.01)  # at once
    assert turns(call) == ["When?"]


@in_virtual_time
async def test_a_long_yes_whose_words_come_late_answers_a_question() -> None:
    model = ScriptedModel(QUESTION, "It is booked.")
    async with call_agent(AgentConfig(), model) as call:
        await call.type("A table, please.")
        await hear_into_reply(call, (2.0, STARTED), (2.7, ENDED), (2.9, final("Yeah.")))
        assert (await call.reply()).heard == "It is booked."


@in_virtual_time
async def test_a_back_channel_while_the_agent_thinks_does_not_begin_the_reply_anew() -> None:
    model = ScriptedModel([Think(2.0), "At nine."])
    async with call_agent(AgentConfig(), model) as call:
        heard = audio_times(call)
        await call.type("When do you open?")
        await hear(call, (0.2, STARTED), (0.8, ENDED), (1.0, final("Mm-hmm.")))
        assert heard == []
        assert (await call.reply()).heard == "At nine."


@in_virtual_time
async def test_a_yes_that_follows_a_hesitation_is_the_answer() -> None:
    model = ScriptedModel(QUESTION, [Think(2.0), "Take your time."], "It is booked.")
    async with call_agent(AgentConfig(), model) as call:
        await call.ask("A table, please.")
        await hear(call, (0.1, final("Hmm.")), (0.6, final("Yes.")))
        assert (await call.reply()).heard == "It is booked."
    assert turns(call) == ["A table, please.", "Hmm.", "Yes."]


@in_virtual_time
async def test_an_agent_may_have_words_of_its_own() -> None:
    words = TurnConfig(stop_words=("Halt",), backchannels=("ja", "genau"))
    model = ScriptedModel(STATEMENT, "Stopped.", STATEMENT, STATEMENT, "Uh-huh.")
    async with call_agent(AgentConfig(turns=words), model) as call:
        await call.type("When?")
        assert (await call.interrupt("halt!", into_reply_s=0.5)).interrupted
        await call.reply()
        await call.type("When?")
        assert not (await call.interrupt("Ja, genau, ja", into_reply_s=0.5)).interrupted
        assert not (await call.reply()).interrupted
        await call.type("When?")
        assert (await call.interrupt("uh-huh okay", into_reply_s=0.5)).interrupted
        await call.reply()


@in_virtual_time
async def test_a_stop_word_in_a_script_without_spaces_is_found_within_a_sentence() -> None:
    words = TurnConfig(stop_words=("待って",), barge_in_min_words=10)
    async with call_agent(AgentConfig(turns=words), ScriptedModel(STATEMENT, "はい。")) as call:
        await call.type("When?")
        assert (await call.interrupt("ちょっと待ってね", into_reply_s=0.5, for_s=0.3)).interrupted
        await call.reply()
