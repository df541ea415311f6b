"""What models really answer: nothing, thoughts, calls of tools written as text.

The ids of cases are those of public reports.
"""

from __future__ import annotations

import pytest

from voice_host.testing import CallTool, Say, ScriptedModel, Think, call_agent, in_virtual_time
from voice_host_sdk import AgentConfig, Session, tool


@tool(terminal=True)
async def hang_up(session: Session) -> str:
    """End the call."""
    await session.end("goodbye")
    return "done"


@pytest.mark.parametrize("empties", [1, 2, 3])
@in_virtual_time
async def test_an_empty_answer_after_words_and_a_tool_is_the_end(empties: int) -> None:
    """17-03."""
    model = ScriptedModel(["Goodbye and thank you!", CallTool("hang_up")], *[""] * empties)
    async with call_agent(AgentConfig(tools=(hang_up,)), model) as call:
        await call.type("Bye")
        assert (await call.ended()).reason == "ended"
        assert [(reply.text, reply.heard) for reply in call.replies] == [("Goodbye and thank you!",) * 2]
        assert not call.errors


@in_virtual_time
async def test_an_empty_answer_after_a_tool_alone_is_asked_for_once_more() -> None:
    def look() -> str:
        """Look it up."""
        return "nine"

    model = ScriptedModel(CallTool("look"), "", "At nine.", CallTool("look"), "", "", "Later.")
    async with call_agent(AgentConfig(tools=(look,)), model) as call:
        assert (await call.ask("When?")).text == "At nine."
        await call.type("Again")
        await call.wait(3)
        assert not call.errors
        assert (await call.ask("Well?")).text == "Later."
        assert not call.errors
    assert all(line != "agent: " for line in model.asked[-1].history)


@in_virtual_time
async def test_nothing_at_all_is_still_a_failure() -> None:
    async with call_agent(AgentConfig(error_phrase="Sorry."), ScriptedModel("", "")) as call:
        assert (await call.ask("Hi")).text == "Sorry."
        assert len(call.errors) == 1


def get_weather(city: str) -> str:
    """Tell the weather."""
    return f"sunny in {city}"


CALL = '{"name": "get_weather", "arguments": {"city": "Paris"}}'


@pytest.mark.parametrize("words_per_s", [None, 50])
@pytest.mark.parametrize(
    "text",
    [
        pytest.param("<details><summary>Thinking</summary>secret plan</details>Hello there.", id="23-05"),
        pytest.param("<reasoning>secret plan</reasoning>Hello there.", id="23-06"),
        "<think>secret plan</think>Hello there.",
        "<Thought>\nsecret plan\n</Thought>\n\nHello there.",
        '<thinking budget="3">secret plan</thinking>Hello there.',
        "<reflection>secret plan</reflection>Hello there.<scratchpad>secret plan",
    ],
)
@in_virtual_time
async def test_thoughts_are_neither_said_nor_kept(text: str, words_per_s: float | None) -> None:
    model = ScriptedModel(Say(text, words_per_s), "Bye.")
    async with call_agent(AgentConfig(), model) as call:
        reply = await call.ask("Hi")
        assert reply.text.strip() == "Hello there."
        assert call.voice.spoken == ["Hello there."]
        await call.ask("Bye")
    assert model.asked[1].history == ("caller: Hi", "agent: Hello there.", "caller: Bye")


@in_virtual_time
async def test_a_thought_without_a_beginning_is_neither_said_nor_kept() -> None:
    """23-07. From then on its answers are held back up to the tag, until one has none."""
    text = "I should be brief.</think>Hello there."
    model = ScriptedModel(text, Say(text, 20), "Bye.", Say("And off it goes.", 20))
    async with call_agent(AgentConfig(), model) as call:
        for said in ("Hello there.", "Hello there.", "Bye.", "And off it goes."):
            assert (await call.ask("Hi")).text == said
        assert call.voice.spoken == ["Hello there.", "Hello there.", "Bye.", "And off it goes."]
    assert [line for line in model.asked[2].history if line.startswith("agent")] == ["agent: Hello there."] * 2


@in_virtual_time
async def test_the_first_thought_without_a_beginning_is_said_if_it_comes_in_pieces_and_never_kept() -> None:
    text = "I should be brief.</think>Hello there."
    model = ScriptedModel(Say(text, 20), Say(text, 20), "Bye.")
    async with call_agent(AgentConfig(), model) as call:
        assert (await call.ask("Hi")).text == "I should be Hello there."
        assert (await call.ask("Hi again")).text == "Hello there."
        await call.ask("Bye")
    assert [line for line in model.asked[2].history if line.startswith("agent")] == ["agent: Hello there."] * 2


@pytest.mark.parametrize("words_per_s", [None, 50])
@pytest.mark.parametrize(
    "text",
    [
        pytest.param(f"<tool_call>{CALL}</tool_call>", id="23-08"),
        f"<tool_call>\n{CALL}",
        f"One moment.\n```json\n{CALL}\n```",
        f"[TOOL_CALLS][{CALL}]",
        '[TOOL_CALLS]get_weather{"city": "Paris"}',
        '<function=get_weather>{"city": "Paris"}</function>',
        '[TOOL_CALLS]get_weather[CALL_ID]a1B2c3D4e[ARGS]{"city": "Paris"}',
        f"<|tool_call|>[{CALL}]<|/tool_call|>",
        f"<tool_use>{CALL}</tool_use>",
        '<invoke name="get_weather"><parameter name="city">Paris</parameter></invoke>',
        f"```{CALL}```",
        f"{CALL}\nOne moment.",
        "<tool_call>\n<function=get_weather>\n<parameter=city>\nParis\n</parameter>\n</function>\n</tool_call>",
        CALL,
        '{"type": "function", "function": {"name": "get_weather", "parameters": {"city": "Paris"}}}',
        f"<think>which city?</think>{CALL}",
    ],
)
@in_virtual_time
async def test_calls_that_are_written_as_text_are_made_and_not_said(text: str, words_per_s: float | None) -> None:
    model = ScriptedModel(Say(text, words_per_s), "It is sunny.")
    async with call_agent(AgentConfig(tools=(get_weather,)), model) as call:
        reply = await call.ask("Weather?")
        assert reply.text.split("One moment.")[-1].strip() == "It is sunny."
        assert "Paris" not in " ".join(call.voice.spoken)
        assert [used.result for used in call.tools] == ["sunny in Paris"]
    assert model.asked[1].results == ("sunny in Paris",)


@pytest.mark.parametrize("text", ["Use {braces} and [brackets].", "{1} is it.", "[1] and <b>bold</b> of `code`."])
@in_virtual_time
async def test_what_only_looks_like_it_is_said(text: str) -> None:
    async with call_agent(AgentConfig(tools=(get_weather,)), ScriptedModel(text)) as call:
        assert (await call.ask("Hi")).text == text


@in_virtual_time
async def test_an_emoji_in_two_halves_is_one() -> None:
    model = ScriptedModel([Think(0.1), "Hi \ud83d", Think(0.1), "\ude00 there", "."], "Bye.")
    async with call_agent(AgentConfig(), model) as call:
        assert (await call.ask("Hi")).text == "Hi 😀 there."
        await call.ask("Bye")
    assert model.asked[1].history[1] == "agent: Hi 😀 there."


@in_virtual_time
async def test_half_an_emoji_from_anywhere_can_be_sent() -> None:
    """The recogniser, the agent's own words: all of it is in the next request. A message with one is no JSON to us."""
    model = ScriptedModel("One.", "Two.")
    async with call_agent(AgentConfig(greeting="Hi \ud83d."), model) as call:
        await call.send({"type": "text", "text": "typed \ud83d"})
        assert [error.code for error in call.errors] == ["bad_message"]
        await call.speak("spoken \ud83d words")
        await call.reply()
        await call.session.say("said \ud83d")
        await call.reply()
        await call.ask("Bye")
    "".join(model.asked[-1].history).encode()
    assert sum(line.count("\ufffd") for line in model.asked[-1].history) == 3
