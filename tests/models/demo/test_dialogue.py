"""What the demo model keeps of a conversation, what it confirms, and what it says."""

import asyncio
from datetime import date, time
from typing import Any

import pytest
from pydantic_ai import Agent, AgentRunResultEvent, ModelRetry
from pydantic_ai.messages import ModelRequest, PartDeltaEvent, PartStartEvent, UserPromptPart

from tests.models.demo.talking import (
    ANNA,
    FRONT_DESK,
    MONDAY,
    Caller,
    get_weather,
    hang_up,
    opening_hours,
    reserve_seat,
    web_search,
)
from voice_host.models import demo_model
from voice_host.testing import in_virtual_time, serve_agent
from voice_host_sdk import AgentConfig


async def test_it_asks_for_one_thing_at_a_time() -> None:
    caller = Caller(*FRONT_DESK)
    assert await caller.say("book a table") == "What is the name, please?"
    assert await caller.say("anna") == "For which day?"
    assert await caller.say("saturday") == "At what time?"
    assert await caller.say("seven thirty") == "How many guests?"
    assert await caller.say("four") == "A table for 4 on Saturday at 7:30, Anna."


async def test_what_it_does_not_understand_is_asked_again_and_then_dropped() -> None:
    caller = Caller(*FRONT_DESK)
    assert await caller.say("when are you open") == "For which day?"
    assert await caller.say("the") == "Sorry, I didn't get that. For which day?"
    assert await caller.say("the") == "Sorry, I didn't get that. For which day?"
    assert await caller.say("the") == "Sorry, I didn't get that. Let's leave that. What else can I do for you?"


async def test_small_talk_and_results_are_spoken() -> None:
    caller = Caller(*FRONT_DESK, get_weather, web_search)
    assert await caller.say("hello") == "Hello. What can I do for you?"
    assert await caller.say("thank you") == "You're welcome."
    assert await caller.say("the weather in paris") == "The city is Paris, the temperature is 21 and the sky is clear."
    assert await caller.say("search for red shoes") == "One about red shoes, another and a third."
    assert await caller.say("bye") == "Goodbye."


async def test_without_tools_it_says_so() -> None:
    assert (await Caller().say("book a table")).endswith("I have no tools to offer.")
    assert await Caller().say("goodbye") == "Goodbye."


async def test_values_come_in_any_order_and_several_at_once() -> None:
    caller = Caller(*FRONT_DESK)
    await caller.say("Four people, Saturday, half past seven, I want to book a table, my name is Anna.")
    assert caller.calls == [("book_table", ANNA)]


async def test_answers_are_progress_even_to_questions_that_were_not_asked() -> None:
    caller = Caller(*FRONT_DESK)
    turns = ["Book a table.", "The.", "For four people.", "The.", "On Saturday.", "The.", "At 7:30.", "The.", "Anna."]
    await caller.say(*turns)
    assert caller.calls == [("book_table", ANNA)]


@pytest.mark.parametrize(
    "turns",
    [
        ["Book a table for two on Saturday at 7:30.", "Actually, make it four.", "Anna."],
        ["Book a table for four on Friday at 7:30.", "No, Saturday.", "Anna."],
        ["Book a table for four on Friday, no, sorry, Saturday at 7:30.", "Anna."],
        ["Book a table for two, I mean four people on Saturday at 7:30.", "Anna."],
        ["Book a table for four at 7:30.", "My name is Bob.", "No, my name is Anna. On Saturday."],
    ],
)
async def test_corrections_replace_what_was_said(turns: list[str]) -> None:
    caller = Caller(*FRONT_DESK)
    await caller.say(*turns)
    assert caller.calls == [("book_table", ANNA)]


async def test_starting_over_forgets_what_was_said() -> None:
    caller = Caller(*FRONT_DESK)
    asked = await caller.say("Book a table for two on Friday at eight.", "Can we start over?")
    assert asked == "All right, from the start. What is the name, please?"
    await caller.say("Anna.", "Saturday at 7:30.", "Four.")
    assert caller.calls == [("book_table", ANNA)]


async def test_a_second_booking_keeps_what_still_holds_and_asks_whether_it_does() -> None:
    caller = Caller(*FRONT_DESK)
    await caller.say("Book a table for four on Saturday at 7:30, my name is Anna.", "When are you open on Friday?")
    assert await caller.say("And another table on Sunday, please.") == (
        "Book a table: name Anna, Sunday, 7:30, 4 guests. Is that right?"
    )
    assert caller.calls == []
    await caller.say("Yes.")
    assert caller.calls == [("book_table", ANNA | {"day": "Sunday"})]


async def test_a_question_in_between_is_answered_and_the_task_goes_on() -> None:
    caller = Caller(*FRONT_DESK)
    await caller.say("Book a table for four, my name is Anna.")
    assert await caller.say("When are you open on Friday?") == (
        "On Friday we are open from nine to five. For which day?"
    )
    await caller.say("Saturday at 7:30, then.")
    assert caller.calls == [("book_table", ANNA)]


async def test_what_a_tool_asks_for_is_answered_without_saying_the_rest_again() -> None:
    def reserve(day: str, name: str, guests: int) -> str:
        """Reserve a seat."""
        return "Would another day suit you?" if day == "Monday" else f"Reserved on {day}."

    caller = Caller(reserve)
    assert (
        await caller.say("Reserve a seat for two guests on Monday, my name is Anna.") == "Would another day suit you?"
    )
    assert await caller.say("Yes.") == "For which day?"
    assert await caller.say("Tuesday.") == "Reserved on Tuesday."


async def test_it_goes_on_from_the_history_alone() -> None:
    """As after a resumption: another model, in another process, with the same messages."""
    first = Caller(*FRONT_DESK)
    await first.say("Book a table for four on Saturday.", "Actually, make it three.")
    second = Caller(*FRONT_DESK)
    second.history = first.history
    await second.say("At 7:30, I'm Anna.")
    assert second.calls == [("book_table", ANNA | {"guests": 3})]


async def test_what_was_done_is_not_said_to_be_dropped() -> None:
    def cancel_seat(name: str) -> str:
        """Cancel a seat."""
        return f"Cancelled for {name}."

    caller = Caller(reserve_seat, cancel_seat)
    await caller.say("Reserve a seat on Friday, my name is Anna.")
    assert await caller.say("Sorry, can you cancel that seat?") == "The name is Anna, is that right?"
    assert await caller.say("Yes.") == "Cancelled for Anna."


async def test_the_name_of_somebody_else_is_asked_for_each_time() -> None:
    def greet(recipient: str) -> str:
        """Send greetings."""
        return f"Greetings to {recipient}."

    caller = Caller(greet)
    assert await caller.say("Send greetings to Ben.") == "Greetings to Ben."
    assert await caller.say("Send greetings.") == "What is the recipient's name, please?"


async def test_a_value_that_only_sounds_like_a_choice_is_confirmed() -> None:
    caller = Caller(reserve_seat)
    assert await caller.say("Reserve a seat on fryday, my name is Anna.") == "Friday, is that right?"
    assert caller.calls == []
    assert await caller.say("Yes, please.") == "Reserved for Anna on friday."


async def test_a_guess_that_was_wrong_is_asked_for() -> None:
    caller = Caller(reserve_seat)
    await caller.say("Reserve a seat on fryday, my name is Anna.")
    assert await caller.say("No.") == "All right. For which day?"
    assert await caller.say("Thursday.") == "Reserved for Anna on thursday."


async def test_a_tool_that_is_a_guess_is_offered_before_it_is_called() -> None:
    def water_plants() -> str:
        """Sprinkle the garden."""
        return "The plants are watered."

    caller = Caller(water_plants, hang_up)
    assert await caller.say("The garden is awfully dry.") == "Do you want me to sprinkle the garden?"
    assert caller.calls == []
    assert await caller.say("No, thanks.") == "All right. What can I do for you?"
    assert caller.calls == []


async def test_of_two_tools_that_fit_equally_the_caller_chooses() -> None:
    def open_window() -> str:
        """Open the window."""
        return "The window is open."

    def clean_window() -> str:
        """Clean the window."""
        return "The window is clean."

    caller = Caller(open_window, clean_window)
    assert await caller.say("The window, please.") == "Do you want me to open the window or clean the window?"
    assert await caller.say("Clean it.") == "The window is clean."


async def test_morning_or_evening_is_confirmed_where_a_tool_must_know() -> None:
    def set_alarm(at: time) -> str:
        """Set an alarm."""
        return f"Set for {at:%H:%M}."

    caller = Caller(set_alarm)
    assert await caller.say("Set an alarm for eight o'clock.") == "8 am, is that right?"
    assert await caller.say("No, in the evening.") == "Set for 20:00."


async def test_it_introduces_the_agent_by_title_and_description() -> None:
    about = {"title": "Corner Shop", "description": "Answers the phone of the shop and takes messages."}
    agent = Agent(demo_model(lambda: MONDAY), tools=FRONT_DESK, metadata=about)
    async with agent.run_stream_events("Who are you?") as events:
        replies = [event.result.output async for event in events if isinstance(event, AgentRunResultEvent)]
    assert replies == ["This is Corner Shop. I answer the phone of the shop and take messages. What can I do for you?"]


async def test_it_says_what_it_can_do() -> None:
    reply = await Caller(*FRONT_DESK).say("What can you do?")
    assert (
        reply == "I can tell you when the desk is open, book a table and find a booking by name. What would you like?"
    )


async def test_help_in_the_middle_of_a_task_comes_back_to_its_question() -> None:
    caller = Caller(*FRONT_DESK)
    assert (await caller.say("Book a table.", "What can you do?")).endswith(
        "find a booking by name. What is the name, please?"
    )


async def test_what_it_does_not_understand_gets_one_sentence_with_two_examples_and_no_advice() -> None:
    caller = Caller(*FRONT_DESK)
    first = await caller.say("My cat is on the roof.")
    assert first == "Sorry, I didn't get that, but I can tell you when the desk is open or book a table."
    again = await caller.say("Tell me a joke.")
    assert again == "Sorry, I didn't get that, but I can find a booking by name or tell you when the desk is open."
    assert caller.calls == []


async def test_what_was_said_is_repeated_on_request() -> None:
    caller = Caller(*FRONT_DESK)
    said = await caller.say("When are you open on Friday?")
    assert await caller.say("Sorry, could you say that again?") == said


@pytest.mark.parametrize(
    ("content", "spoken"),
    [
        (None, "Done."),
        (True, "Done."),
        (17, "It is 17."),
        ([], "There is nothing."),
        (["milk", "eggs"], "Milk and eggs."),
        (
            {"in_stock": True, "opening_days": ["Friday", "Saturday"]},
            "In stock: yes and the opening days are Friday and Saturday.",
        ),
        ('{"price": 3.5}', "The price is 3.5."),
        ([{"name": "Anna", "seats": 2}], "Name Anna, seats 2."),
        ("ready at noon", "Ready at noon."),
    ],
)
async def test_results_are_worded(content: Any, spoken: str) -> None:
    def press_button() -> Any:
        """Press the button."""
        return content

    assert await Caller(press_button).say("Press the button.") == spoken


async def test_replies_stream_word_by_word() -> None:
    pieces = []
    agent = Agent(demo_model())
    async with agent.run_stream_events("hello") as events:
        async for event in events:
            if isinstance(event, (PartStartEvent, PartDeltaEvent)):
                part = event.part if isinstance(event, PartStartEvent) else event.delta
                pieces.append(getattr(part, "content", None) or getattr(part, "content_delta", None))
    assert pieces == ["Hello.", " What", " can", " I", " do", " for", " you?"]


async def test_refused_arguments_are_asked_for_again() -> None:
    def set_alarm(time: str, day: date) -> str:
        """Set an alarm."""
        if time == "7:00":
            raise ModelRetry("Seven is taken.")
        return f"Set for {time}."

    caller = Caller(set_alarm)
    assert await caller.say("set an alarm for tomorrow at seven") == "Sorry, that did not work. Seven is taken."
    refused = await caller.say("set an alarm at eight", "someday")
    assert refused == "Sorry, I didn't get that. For which day?"
    assert await caller.say("tomorrow") == "Set for 8:00."


async def test_turns_that_were_merged_count_together() -> None:
    """A turn that was interrupted leaves two user turns in one request."""
    agent = Agent(demo_model(), tools=[opening_hours])
    history = [ModelRequest([UserPromptPart("when are you open")])]
    result = await agent.run("on friday", message_history=history)
    assert result.output == "On Friday we are open from nine to five."


@pytest.mark.parametrize(
    ("delay_s", "spoken"),
    [(0, "Sorry, that did not work."), (60, "Sorry, that did not work. It may have been done.")],
)
@in_virtual_time
async def test_a_tool_that_failed_is_not_named_to_the_caller(delay_s: float, spoken: str) -> None:
    async def press_button() -> str:
        """Press the button."""
        await asyncio.sleep(delay_s)
        raise KeyError("the wire")

    async with serve_agent(AgentConfig(tools=(press_button,)), demo_model()) as served, served.call() as call:
        assert (await call.ask("Press the button.")).text == spoken
