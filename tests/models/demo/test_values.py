"""Which words of a turn become values, and which tool gets them."""

from collections.abc import Callable, Sequence
from datetime import date, datetime
from typing import Annotated, Any, Literal

import pytest
from pydantic import Field

from tests.models.demo.talking import (
    ANNA,
    FRONT_DESK,
    WEB,
    Caller,
    closing_time,
    find_booking,
    reserve_seat,
)


@pytest.mark.parametrize(
    ("tools", "turns", "calls"),
    [
        (FRONT_DESK, ["what time do you open on friday"], [("opening_hours", {"day": "Friday"})]),
        (FRONT_DESK, ["When are you open?", "Monday."], [("opening_hours", {"day": "Monday"})]),
        (FRONT_DESK, ["what time do you open on fryday", "yes"], [("opening_hours", {"day": "Friday"})]),
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
            ["table for for people tomorrow at half past eight pm under anna smith", "yes"],
            [("book_table", {"name": "Anna Smith", "day": "Tuesday", "time": "20:30", "guests": 4})],
        ),
        (FRONT_DESK, ["find my booking the name is anna"], [("find_booking", {"name": "Anna"})]),
        (FRONT_DESK, ["find my booking", "um it's tom jones"], [("find_booking", {"name": "Tom Jones"})]),
        (FRONT_DESK, ["do you have a booking for miller", "yes"], [("find_booking", {"name": "Miller"})]),
        (FRONT_DESK, ["goodbye"], [("hang_up", {})]),
        (FRONT_DESK, ["please hang up now"], [("hang_up", {})]),
        (
            FRONT_DESK,
            ["when are you open on friday", "and on sunday?"],
            [("opening_hours", {"day": "Friday"}), ("opening_hours", {"day": "Sunday"})],
        ),
        (
            FRONT_DESK,
            ["book a table", "what time do you open on friday"],
            [("opening_hours", {"day": "Friday"})],
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
    assert await caller.say("the owner must call back") == "Noted: the owner must call back."


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
    assert await caller.say("find my booking", answer) == "Sorry, I didn't get that. What is the name, please?"
    assert await caller.say("anna") == "Anna has a table at eight."


async def test_an_answer_that_does_not_fit_is_not_taken_for_something_else() -> None:
    def register(name: str, address: str) -> str:
        """Register a customer."""
        return f"{name}, {address}."

    caller = Caller(register)
    assert await caller.say("register me", "twelve") == "Sorry, I didn't get that. What is the name, please?"
    assert await caller.say("anna", "12 Oak Lane") == "Anna, 12 Oak Lane."


async def test_a_number_instead_of_the_name_fills_the_number_that_is_still_open() -> None:
    caller = Caller(*FRONT_DESK)
    assert await caller.say("Book a table", "four") == "4 guests. What is the name, please?"
    await caller.say("anna", "saturday", "seven thirty")
    assert caller.calls == [("book_table", ANNA)]


@pytest.mark.parametrize("said", ["tuesday", "thursday", "Thursday.", "sunday", "saturday", "Saturdays"])
async def test_what_is_equal_wins_over_what_sounds_alike(said: str) -> None:
    caller = Caller(closing_time)
    await caller.say(f"When do you close on {said}")
    assert caller.calls == [("closing_time", {"day": said.strip(".").lower().removesuffix("s")})]


@pytest.mark.parametrize("said", ["martin", "marvin"])
async def test_of_two_choices_that_sound_alike_the_one_that_was_said_wins(said: str) -> None:
    def haircut(barber: Literal["marvin", "martin"]) -> str:
        """Arrange a haircut."""
        return "Done."

    caller = Caller(haircut)
    await caller.say(f"I'd like a haircut with {said}.")
    assert caller.calls == [("haircut", {"barber": said})]


@pytest.mark.parametrize(
    ("said", "day"),
    [
        ("today", "monday"),
        ("tonight", "monday"),
        ("tomorrow", "tuesday"),
        ("the day after tomorrow", "wednesday"),
        ("this Saturday", "saturday"),
        ("in three days", "thursday"),
        ("the 29th", "sunday"),
        ("November 27th", "friday"),
    ],
)
async def test_relative_days_become_the_days_they_are(said: str, day: str) -> None:
    caller = Caller(closing_time)
    await caller.say(f"When do you close {said}?")
    assert caller.calls == [("closing_time", {"day": day})]


async def test_a_choice_that_is_equal_wins_over_the_day_it_means() -> None:
    def bus_times(day: Literal["today", "tomorrow"]) -> str:
        """Tell when the bus goes."""
        return "At noon."

    caller = Caller(bus_times)
    await caller.say("When does the bus go tomorrow?")
    assert caller.calls == [("bus_times", {"day": "tomorrow"})]


async def test_a_weekend_is_two_days_where_a_tool_tells_and_a_question_where_it_acts() -> None:
    caller = Caller(closing_time, reserve_seat)
    assert await caller.say("When do you close on the weekend?") == "At six on saturday. At six on sunday."
    assert await caller.say("Reserve a seat on the weekend for Anna.") == "Saturday or Sunday?"
    assert await caller.say("Sunday.") == "Reserved for Anna on sunday."


@pytest.mark.parametrize(
    ("said", "time"),
    [
        ("half past seven", "7:30"),
        ("7:30 p.m.", "19:30"),
        ("7:30 PM", "19:30"),
        ("seven thirty", "7:30"),
        ("seven thirty in the evening", "19:30"),
        ("quarter to eight", "7:45"),
        ("ten past six", "6:10"),
        ("seven oh five", "7:05"),
        ("eight o'clock", "8:00"),
        ("noon", "12:00"),
        ("19:30", "19:30"),
        ("eight tonight", "20:00"),
    ],
)
async def test_times_are_understood_as_digits_or_words(said: str, time: str) -> None:
    def wake_me(time: str) -> str:
        """Wake somebody up."""
        return "Good night."

    caller = Caller(wake_me)
    await caller.say(f"Wake me at {said}, please.")
    assert caller.calls == [("wake_me", {"time": time})]


@pytest.mark.parametrize(
    ("said", "people"),
    [
        ("party of four", 4),
        ("a couple of people", 2),
        ("twenty-one people", 21),
        ("a hundred and five people", 105),
        ("half a dozen people", 6),
        ("just me", 1),
        ("There are 12 of us.", 12),
        ("Three people.", 3),
    ],
)
async def test_numbers_are_understood_as_digits_or_words(said: str, people: int) -> None:
    def hire_room(people: int) -> str:
        """Hire a room."""
        return "Done."

    caller = Caller(hire_room)
    assert await caller.say("Hire a room") == "How many people?"
    await caller.say(said)
    assert caller.calls == [("hire_room", {"people": people})]


@pytest.mark.parametrize(
    ("said", "when"),
    [("the 21st of June", "2027-06-21"), ("June twenty-first", "2027-06-21"), ("next Friday", "2026-12-04")],
)
async def test_dates_are_understood_as_digits_or_words(said: str, when: str) -> None:
    def remind_me(date: date) -> str:
        """Remind somebody."""
        return "Done."

    caller = Caller(remind_me)
    await caller.say(f"Remind me on {said}.", *(["Yes."] if "next" in said else []))
    assert caller.calls == [("remind_me", {"date": when})]


async def test_a_date_and_time_is_asked_for_in_two_questions() -> None:
    def call_back(at: datetime) -> str:
        """Arrange a call back."""
        return f"We will call on {at:%A at %H:%M}."

    caller = Caller(call_back)
    assert await caller.say("Please arrange a call back.") == "For which day?"
    assert await caller.say("Tomorrow.") == "At what time?"
    assert await caller.say("3:30 PM.") == "We will call on Tuesday at 15:30."
    assert await caller.say("Arrange a call back on Friday at noon.") == "We will call on Friday at 12:00."


async def test_lists_yes_and_no_and_digits_are_filled() -> None:
    def order(
        size: Literal["small", "large"],
        phone: str,
        extras: list[Literal["milk", "sugar"]] | None = None,
        takeaway: bool = False,
    ) -> str:
        """Order a coffee."""
        return "Coming up."

    caller = Caller(order)
    assert await caller.say("A large coffee with milk and sugar, no takeaway.") == "What is the phone number, please?"
    await caller.say("It's 555, double one, oh two.")
    assert caller.calls == [
        ("order", {"size": "large", "extras": ["milk", "sugar"], "takeaway": False, "phone": "5551102"})
    ]


async def test_a_number_outside_of_the_range_is_not_taken() -> None:
    def dim(percent: Annotated[int, Field(ge=1, le=100)]) -> str:
        """Dim the lamp."""
        return f"{percent} percent."

    caller = Caller(dim)
    assert await caller.say("Dim the lamp to 500.") == "What is the percent?"
    assert await caller.say("Fifty.") == "50 percent."


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
