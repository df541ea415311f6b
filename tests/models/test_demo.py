"""Conversations with the demo model, through a real agent."""

from collections.abc import Callable, Sequence
from datetime import date
from typing import Any, Literal

import pytest
from pydantic_ai import Agent, AgentRunResultEvent, ModelRetry
from pydantic_ai.messages import (
    ModelMessage,
    ModelRequest,
    PartDeltaEvent,
    PartStartEvent,
    ToolCallPart,
    UserPromptPart,
)

from voice_host.models import demo_model

MONDAY = date(2026, 11, 23)


def opening_hours(day: str) -> str:
    """Tell when the desk is open.

    Args:
        day: weekday name
    """
    return f"On {day} we are open from nine to five."


def book_table(name: str, day: str, time: str, guests: int) -> str:
    """Book a table.

    Args:
        name: for whom
        day: weekday name
        time: time of day
        guests: how many people come
    """
    return f"A table for {guests} on {day} at {time}, {name}."


def find_booking(name: str) -> str:
    """Find a booking by name."""
    return f"{name} has a table at eight."


def hang_up() -> None:
    """End the call."""


def get_weather(city: str) -> dict[str, Any]:
    """Get the weather for a city."""
    return {"city": city, "temperature": 21, "sky": "clear"}


def visit_url(url: str) -> str:
    """Fetch a web page as text."""
    return f"The page {url} is empty."


def web_search(query: str) -> list[str]:
    """Search the web."""
    return [f"one about {query}", "another", "a third"]


FRONT_DESK = (opening_hours, book_table, find_booking, hang_up)
WEB = (get_weather, visit_url, web_search)


class Caller:
    """Talks to a demo agent and remembers which tools ran."""

    def __init__(self, *tools: Callable[..., Any]) -> None:
        self._agent = Agent(demo_model(lambda: MONDAY), tools=tools)
        self.history: list[ModelMessage] = []
        self.calls: list[tuple[str, Any]] = []

    async def say(self, *turns: str) -> str:
        """Say turn after turn. Returns the last reply; `calls` holds the tool calls of all of them."""
        reply = ""
        self.calls = []
        for turn in turns:
            async with self._agent.run_stream_events(turn, message_history=self.history) as events:
                async for event in events:
                    if isinstance(event, AgentRunResultEvent):
                        reply = event.result.output
                        new = event.result.new_messages()
                        self.calls += [
                            (p.tool_name, p.args_as_dict()) for m in new for p in m.parts if isinstance(p, ToolCallPart)
                        ]
                        self.history = event.result.all_messages()
        return reply


ANNA = {"name": "Anna", "day": "saturday", "time": "7:30", "guests": 4}


@pytest.mark.parametrize(
    ("tools", "turns", "calls"),
    [
        (FRONT_DESK, ["what time do you open on friday"], [("opening_hours", {"day": "friday"})]),
        (FRONT_DESK, ["When are you open?", "Monday."], [("opening_hours", {"day": "monday"})]),
        (FRONT_DESK, ["what time do you open on fryday"], [("opening_hours", {"day": "friday"})]),
        (
            FRONT_DESK,
            ["i would like to book a table for four people on saturday at seven thirty my name is anna"],
            [("book_table", ANNA)],
        ),
        (
            FRONT_DESK,
            ["I would like to book a table for four people on Saturday at seven thirty, my name is Anna."],
            [("book_table", ANNA)],
        ),
        (FRONT_DESK, ["book a table", "anna", "saturday", "seven thirty", "four"], [("book_table", ANNA)]),
        (FRONT_DESK, ["book a table", "for anna on saturday", "at 7:30", "for four people"], [("book_table", ANNA)]),
        (
            FRONT_DESK,
            ["table for for people tomorrow at half past eight pm under anna smith"],
            [("book_table", {"name": "Anna Smith", "day": "tomorrow", "time": "20:30", "guests": 4})],
        ),
        (FRONT_DESK, ["find my booking the name is anna"], [("find_booking", {"name": "Anna"})]),
        (FRONT_DESK, ["find my booking", "um it's tom jones"], [("find_booking", {"name": "Tom Jones"})]),
        (FRONT_DESK, ["do you have a reservation for miller"], [("find_booking", {"name": "Miller"})]),
        (FRONT_DESK, ["goodbye"], [("hang_up", {})]),
        (FRONT_DESK, ["please hang up now"], [("hang_up", {})]),
        (
            FRONT_DESK,
            ["when are you open on friday", "and on sunday?"],
            [("opening_hours", {"day": "friday"}), ("opening_hours", {"day": "sunday"})],
        ),
        (
            FRONT_DESK,
            ["book a table", "what time do you open on friday"],
            [("opening_hours", {"day": "friday"})],
        ),
        (FRONT_DESK, ["book a table", "never mind", "monday"], []),
        (WEB, ["what's the weather like", "new york"], [("get_weather", {"city": "New York"})]),
        (WEB, ["what is the weather in paris today"], [("get_weather", {"city": "Paris"})]),
        (WEB, ["how is the whether in london"], [("get_weather", {"city": "London"})]),
        (WEB, ["please visit example dot com"], [("visit_url", {"url": "https://example.com"})]),
        (WEB, ["search for cheap flights to rome"], [("web_search", {"query": "cheap flights to rome"})]),
        (WEB, ["look up who won the world cup"], [("web_search", {"query": "who won the world cup"})]),
    ],
)
async def test_tools_are_called_with_what_was_said(
    tools: Sequence[Callable[..., Any]], turns: list[str], calls: list[Any]
) -> None:
    caller = Caller(*tools)
    await caller.say(*turns)
    assert caller.calls == calls


async def test_it_asks_for_one_thing_at_a_time() -> None:
    caller = Caller(*FRONT_DESK)
    assert await caller.say("book a table") == "What is the name, please?"
    assert await caller.say("anna") == "For which day?"
    assert await caller.say("saturday") == "At what time?"
    assert await caller.say("seven thirty") == "How many guests?"
    assert await caller.say("four") == "A table for 4 on saturday at 7:30, Anna."


def order_taxi(street: str) -> str:
    """Send a cab to a street."""
    return f"A cab comes to {street}."


def book_cab(street: str) -> str:
    """Send somebody."""
    return f"A cab comes to {street}."


@pytest.mark.parametrize(
    ("tool", "opening"),
    [
        (order_taxi, "Send a cab"),
        (order_taxi, "could you please send me a cab to my street"),
        (order_taxi, "order a taxi"),
        (order_taxi, "order a cab"),
        (book_cab, "Send a cab"),
        (order_taxi, "fetch me a cab please"),
    ],
)
async def test_words_that_picked_the_tool_are_no_free_text(tool: Callable[..., Any], opening: str) -> None:
    caller = Caller(tool)
    assert await caller.say(opening) == "Which street?"
    assert await caller.say("Twelve Oak Lane") == "A cab comes to Twelve Oak Lane."


async def test_a_turn_that_ends_with_what_the_tool_does_holds_no_free_text() -> None:
    def take_note(note: str) -> str:
        """Take down a note."""
        return f"Noted: {note}."

    caller = Caller(take_note)
    assert await caller.say("leave a note") == "What is the note?"
    assert await caller.say("the owner must call back") == "Noted: owner must call back."


@pytest.mark.parametrize(
    ("tool", "opening", "street"),
    [
        (order_taxi, "send a cab to Oak Lane", "Oak Lane"),
        (book_cab, "book a cab to Main Street", "Main Street"),
    ],
)
async def test_free_text_beside_the_words_that_picked_the_tool_is_taken(
    tool: Callable[..., Any], opening: str, street: str
) -> None:
    assert await Caller(tool).say(opening) == f"A cab comes to {street}."


@pytest.mark.parametrize("answer", ["four", "4", "four people", "one hundred", "twenty one"])
async def test_a_number_is_no_name(answer: str) -> None:
    caller = Caller(find_booking)
    assert await caller.say("find my booking", answer) == "Sorry, I did not understand that. What is the name, please?"
    assert await caller.say("anna") == "Anna has a table at eight."


async def test_an_answer_that_does_not_fit_is_not_taken_for_something_else() -> None:
    def register(name: str, address: str) -> str:
        """Register a customer."""
        return f"{name}, {address}."

    caller = Caller(register)
    assert await caller.say("register me", "twelve") == "Sorry, I did not understand that. What is the name, please?"
    assert await caller.say("anna", "12 Oak Lane") == "Anna, 12 Oak Lane."


async def test_a_number_instead_of_the_name_fills_the_number_that_is_still_open() -> None:
    caller = Caller(*FRONT_DESK)
    assert await caller.say("Book a table", "four") == "What is the name, please?"
    await caller.say("anna", "saturday", "seven thirty")
    assert caller.calls == [("book_table", ANNA)]


async def test_what_it_does_not_understand_is_asked_again_and_then_dropped() -> None:
    caller = Caller(*FRONT_DESK)
    assert await caller.say("when are you open") == "For which day?"
    assert await caller.say("the") == "Sorry, I did not understand that. For which day?"
    assert await caller.say("the") == "Sorry, I did not understand that. For which day?"
    assert await caller.say("the") == "Sorry, I did not understand that. Let us leave that."


async def test_the_notice_is_long_once_and_short_afterwards() -> None:
    caller = Caller(*FRONT_DESK)
    first = await caller.say("what's the weather like")
    assert first.startswith("I am a demonstration without a language model. Set VOICE_HOST_MODEL")
    assert first.endswith("Tell when the desk is open. Book a table. Find a booking by name. End the call.")
    again = await caller.say("tell me a joke")
    assert "VOICE_HOST_MODEL" not in again
    assert "Book a table." in again
    assert caller.calls == []


async def test_small_talk_and_results_are_spoken() -> None:
    caller = Caller(*FRONT_DESK, get_weather, web_search)
    assert await caller.say("hello") == "Hello. What can I do for you?"
    assert await caller.say("thank you") == "You are welcome."
    assert await caller.say("the weather in paris") == "City: Paris. Temperature: 21. Sky: clear."
    assert await caller.say("search for red shoes") == "One about red shoes, another and a third."
    assert await caller.say("bye") == "Goodbye."


async def test_without_tools_it_says_so() -> None:
    assert (await Caller().say("book a table")).endswith("I have no tools to offer.")
    assert await Caller().say("goodbye") == "Goodbye."


async def test_replies_stream_word_by_word() -> None:
    pieces = []
    agent = Agent(demo_model())
    async with agent.run_stream_events("hello") as events:
        async for event in events:
            if isinstance(event, (PartStartEvent, PartDeltaEvent)):
                part = event.part if isinstance(event, PartStartEvent) else event.delta
                pieces.append(getattr(part, "content", None) or getattr(part, "content_delta", None))
    assert pieces == ["Hello.", " What", " can", " I", " do", " for", " you?"]


async def test_values_follow_the_schema() -> None:
    def order_pizza(size: Literal["small", "large"], count: int = 1, date: date | None = None) -> str:
        """Order a pizza."""
        return f"{count} {size} {date}."

    caller = Caller(order_pizza)
    assert await caller.say("i want a pizza") == "Which size: small or large?"
    await caller.say("a large one")
    assert caller.calls == [("order_pizza", {"size": "large"})]
    await caller.say("order twenty five small pizzas for tomorrow")
    assert caller.calls == [("order_pizza", {"size": "small", "count": 25, "date": "2026-11-24"})]


async def test_refused_arguments_are_asked_for_again() -> None:
    def set_alarm(time: str, day: date) -> str:
        """Set an alarm."""
        if time == "7:00":
            raise ModelRetry("Seven is taken.")
        return f"Set for {time}."

    caller = Caller(set_alarm)
    assert await caller.say("set an alarm for tomorrow at seven") == "Sorry, that did not work. Seven is taken."
    refused = await caller.say("set an alarm at eight", "someday")
    assert refused == "Sorry, I did not understand that. For which day?"
    assert await caller.say("tomorrow") == "Set for 8:00."


async def test_turns_that_were_merged_count_together() -> None:
    """A turn that was interrupted leaves two user turns in one request."""
    agent = Agent(demo_model(), tools=[opening_hours])
    history = [ModelRequest([UserPromptPart("when are you open")])]
    result = await agent.run("on friday", message_history=history)
    assert result.output == "On friday we are open from nine to five."
