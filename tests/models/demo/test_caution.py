"""What the demo model must not do: act on what the caller did not say, denied, asked or only told."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, time
from typing import Annotated, Any, Literal

import pytest
from pydantic import Field

from tests.models.demo.talking import ANNA, FRONT_DESK, Caller, hang_up


def transfer_money(amount: float, recipient: str, account: Literal["checking", "savings"] = "checking") -> str:
    """Transfer money to somebody."""
    return f"{amount:g} to {recipient}."


def account_balance(account: Literal["checking", "savings"]) -> str:
    """Tell the balance of an account."""
    return f"Ten on {account}."


def freeze_card(card: Literal["debit", "credit"]) -> str:
    """Freeze a card that was lost or stolen."""
    return f"{card} is frozen."


def book_room(guest_name: str, arrival: date, nights: Annotated[int, Field(ge=1)], breakfast: bool = False) -> str:
    """Book a hotel room."""
    return "Booked."


def cancel_booking(booking_number: str) -> str:
    """Cancel a booking."""
    return "Cancelled."


def wake_up_call(room_number: int, at: time) -> str:
    """Order a wake-up call."""
    return "Noted."


def order_taxi(destination: str, passengers: int = 1) -> str:
    """Order a taxi."""
    return "It will come."


def leave_message(room_number: int, message: str) -> str:
    """Leave a message for a guest."""
    return "Noted."


BANK = (transfer_money, account_balance, freeze_card)
HOTEL = (book_room, cancel_booking, wake_up_call, order_taxi, leave_message)


@pytest.mark.parametrize(
    ("tools", "turns"),
    [
        (FRONT_DESK, ["I don't want to book a table for four on Saturday at 7:30, my name is Anna."]),
        (FRONT_DESK, ["Don't hang up."]),
        (FRONT_DESK, ["Do not say goodbye yet."]),
        (FRONT_DESK, ["I booked a table for four on Saturday at 7:30 under Anna."]),
        (FRONT_DESK, ["Did you book a table for four people on Saturday at 7:30 under Anna?"]),
        (FRONT_DESK, ["Book a table for four on Saturday at 7:30.", "Cancel my booking, please."]),
        (FRONT_DESK, ["Book a table for four on Saturday at 7:30.", "cancel my booking please"]),
        (FRONT_DESK, ["Book a table for four on Saturday at 7:30.", "Is my friend coming?"]),
        (FRONT_DESK, ["Book a table for four on Saturday at 7:30.", "I don't know Anna."]),
        (FRONT_DESK, ["Book a table for four on Saturday at 7:30 for Anna, no, wait."]),
        (FRONT_DESK, ["Book a table for four at 7:30, my name is Anna.", "Not on Saturday."]),
        (BANK, ["I lost my credit card."]),
        (BANK, ["Don't freeze my credit card!"]),
        (BANK, ["freeze my debit card no wait"]),
        (BANK, ["Is my credit card frozen?"]),
        (BANK, ["Transfer fifty euros.", "I didn't send anything to Mark, did I?"]),
        (BANK, ["I never transferred fifty euros to Mark."]),
        (HOTEL, ["Cancel my booking.", "I don't know the number."]),
        (HOTEL, ["Book a room for Anna Lee from Friday.", "Wake me at seven tomorrow."]),
        (HOTEL, ["Order a taxi.", "For two people."]),
        (HOTEL, ["Leave a message for room 12.", "Can you call me a taxi?"]),
        (HOTEL, ["Wake me in room 12 at six."]),
        (HOTEL, ["Wake me at 7 AM.", "Room two fourteen."]),
        (HOTEL, ["Cancel booking for seven one one."]),
    ],
)
async def test_nothing_is_done_that_the_caller_did_not_ask_for(
    tools: Sequence[Callable[..., Any]], turns: list[str]
) -> None:
    caller = Caller(*tools)
    await caller.say(*turns)
    assert caller.calls == []


@pytest.mark.parametrize(
    "answer",
    [
        "Okay, but how much is that?",
        "Right, what does that cost?",
        "Exactly how far is it?",
        "I'm not sure.",
        "Okay, wait.",
        "Yes, unless it is full.",
    ],
)
async def test_only_a_plain_yes_confirms(answer: str) -> None:
    caller = Caller(*FRONT_DESK)
    await caller.say("Book a table for four on Saturday at 7:30, my name is Anna.", "Another one on Sunday, please.")
    await caller.say(answer)
    assert caller.calls == []
    await caller.say("Yes, please.")
    assert caller.calls == [("book_table", ANNA | {"day": "Sunday"})]


@pytest.mark.parametrize(
    ("tools", "turns", "calls"),
    [
        (
            BANK,
            ["Transfer fifty euros to my brother Mark."],
            [("transfer_money", {"amount": 50, "recipient": "Mark"})],
        ),
        (BANK, ["I lost my credit card.", "Yes."], [("freeze_card", {"card": "credit"})]),
        (
            BANK,
            ["Transfer money to Anna.", "Transfer 20 to Tom."],
            [("transfer_money", {"amount": 20, "recipient": "Tom"})],
        ),
        (BANK, ["Don't you want to freeze my credit card?", "Yes."], [("freeze_card", {"card": "credit"})]),
        (BANK, ["I don't know where it is, freeze my debit card."], [("freeze_card", {"card": "debit"})]),
        (FRONT_DESK, ["That's all, goodbye."], [("hang_up", {})]),
        (FRONT_DESK, ["Don't forget me, bye."], [("hang_up", {})]),
        (
            FRONT_DESK,
            ["Book a table for four at 7:30, my name is Anna.", "We can't do Friday, how about Saturday?"],
            [("book_table", ANNA)],
        ),
        (
            HOTEL,
            ["Leave a message for room 12.", "I can't come to dinner.", "Yes."],
            [("leave_message", {"room_number": 12, "message": "I can't come to dinner"})],
        ),
        (HOTEL, ["Cancel booking B 7."], [("cancel_booking", {"booking_number": "B 7"})]),
        (HOTEL, ["Cancel my booking.", "four seven one"], [("cancel_booking", {"booking_number": "471"})]),
        (
            HOTEL,
            ["Book a room from Friday for two nights.", "With breakfast.", "Clara Stone."],
            [
                (
                    "book_room",
                    {"guest_name": "Clara Stone", "arrival": "2026-11-27", "nights": 2, "breakfast": True},
                )
            ],
        ),
        (
            HOTEL,
            ["Wake me at 7 AM.", "Room two fourteen.", "Yes."],
            [("wake_up_call", {"room_number": 214, "at": "07:00:00"})],
        ),
        (
            HOTEL,
            ["I need a taxi to the airport.", "Yes."],
            [("order_taxi", {"destination": "the airport"})],
        ),
    ],
)
async def test_what_was_asked_for_is_done(
    tools: Sequence[Callable[..., Any]], turns: list[str], calls: list[Any]
) -> None:
    caller = Caller(*tools)
    await caller.say(*turns)
    assert caller.calls == calls


@pytest.mark.parametrize(
    ("turns", "answer"),
    [
        (["I don't want to transfer money."], "All right, I won't transfer money to somebody."),
        (["Transfer 50 euros.", "Cancel the transfer."], "All right, I won't transfer money to somebody."),
        (["Transfer 50 euros to Mark.", "Cancel that."], "Sorry, I can't cancel that, but I can"),
        (
            ["Transfer 50 euros to Mark.", "Actually make it sixty."],
            "I can't change that, but I can do it again. Transfer money: amount 60, recipient Mark. Is that",
        ),
        (
            ["Transfer fifty euros.", "I don't know."],
            "I can't do it without that. What is the recipient's name, please?",
        ),
        (["Are you a robot?"], "I'm a computer. I can transfer money to somebody"),
        (["Transfer money to Mark.", "From savings."], "Savings. What is the amount?"),
    ],
)
async def test_it_says_what_it_does_and_does_not_do(turns: list[str], answer: str) -> None:
    assert (await Caller(*BANK, hang_up).say(*turns)).startswith(answer)


async def test_a_value_is_not_another_subject() -> None:
    """A correction of the day has nothing to do with a tool that has days among its choices."""
    caller = Caller(*FRONT_DESK)
    await caller.say("Book a table for four on Friday, my name is Anna.", "Not on Friday, on Saturday.", "At 7:30.")
    assert caller.calls == [("book_table", ANNA)]


async def test_one_of_two_tools_is_not_chosen_by_a_value_of_both() -> None:
    def open_window(room: Literal["kitchen", "hall"]) -> str:
        """Open the window."""
        return f"Open in the {room}."

    def clean_window(room: Literal["kitchen", "hall"]) -> str:
        """Clean the window."""
        return f"Clean in the {room}."

    caller = Caller(open_window, clean_window)
    asked = await caller.say("The window, please.")
    assert asked == "Do you want me to open the window or clean the window?"
    assert await caller.say("In the kitchen.") == asked
    assert await caller.say("Clean it.") == "Clean in the kitchen."


async def test_who_wishes_for_something_is_offered_what_does_it() -> None:
    def room_price(room: Literal["single", "double"]) -> str:
        """Tell what a room costs per night."""
        return "Ninety euros."

    def hire_room(guest: str, arrival: date, nights: int, room: Literal["single", "double"]) -> str:
        """Book a hotel room.

        Args:
            nights: How many nights.
        """
        return "Booked."

    caller = Caller(room_price, hire_room)
    said = await caller.say("I'd like a double room for two nights from Friday.")
    assert said == "Do you want me to book a hotel room?"


async def test_all_choices_that_were_said_are_heard() -> None:
    def switch_light(room: Literal["hall", "kitchen", "bedroom"]) -> str:
        """Switch on the light in a room."""
        return f"Light in the {room}."

    def lights_on(room: Literal["hall", "kitchen", "bedroom"]) -> str:
        """Tell whether the light in a room is on."""
        return f"It is on in the {room}."

    assert await Caller(switch_light).say("Switch on the light in the kitchen and the hall.") == "Kitchen or hall?"
    both = await Caller(lights_on).say("Are the lights on in the kitchen and the hall?")
    assert both == "It is on in the kitchen. It is on in the hall."


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        ("Hello, good evening.", "Hello. What can I do for you?"),
        ("Let me think.", "Take your time."),
        ("Okay, that's everything. Thank you very much.", "Goodbye."),
        ("Is that all you have?", "Sorry, I didn't get that, but I can"),
    ],
)
async def test_small_talk(said: str, answer: str) -> None:
    assert (await Caller(*BANK).say(said)).startswith(answer)


@pytest.mark.parametrize("said", ["We'll be five.", "It's for my wife Maria's birthday.", "Around seven.", "Five."])
async def test_what_is_no_name_is_not_taken_for_one(said: str) -> None:
    caller = Caller(*FRONT_DESK)
    answer = await caller.say("Book a table for four on Saturday at 7:30.", said)
    assert answer.endswith("What is the name, please?")
    assert caller.calls == []
