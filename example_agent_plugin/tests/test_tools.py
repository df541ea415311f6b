"""The tools of the example agent, called as the host calls them."""

from __future__ import annotations

from datetime import time

import pytest

from example_agent_plugin.bookings import TABLES_PER_DAY, Bookings
from example_agent_plugin.tools import FrontDesk, parse_time
from voice_host.testing import TestSession


@pytest.fixture
def session() -> TestSession:
    return TestSession()


@pytest.fixture
def desk() -> FrontDesk:
    return FrontDesk(Bookings())


def test_opening_hours(desk: FrontDesk) -> None:
    assert desk.opening_hours("friday") == "On Friday we are open from 12 pm to 10 pm."
    assert desk.opening_hours("monday") == "We are closed on Monday."


def test_menu_of_the_day(desk: FrontDesk) -> None:
    assert desk.menu_of_the_day("thursday") == "On Thursday we cook chicken pie."
    assert desk.menu_of_the_day("monday") == "We are closed on Monday."


async def test_a_table_is_booked_and_found_again(desk: FrontDesk, session: TestSession) -> None:
    said = await desk.book_table(session, " Kim ", "saturday", "7:30 pm", 4)
    assert said == ("I have booked a table for 4 on Saturday at 7:30 pm, in the name of Kim. Your reference is B 1.")
    assert session.state["booking"] == "B 1"
    assert await desk.find_booking("KIM") == (
        "I found a table for 4 on Saturday at 7:30 pm, in the name of Kim. The reference is B 1."
    )
    assert await desk.find_booking("Lee") == "I cannot find a booking in the name of Lee."


async def test_references_count_up_and_the_latest_booking_is_found(desk: FrontDesk, session: TestSession) -> None:
    await desk.book_table(session, "Kim", "friday", "18:00", 1)
    await desk.book_table(TestSession("other"), "Kim", "sunday", "13:00", 2)
    assert "B 2" in await desk.find_booking("Kim")
    assert session.state["booking"] == "B 1"


@pytest.mark.parametrize(
    ("name", "day", "at", "guests", "answer"),
    [
        ("Kim", "monday", "19:00", 2, "closed on Monday"),
        ("Kim", "friday", "23:00", 2, "from 12 pm to 9 pm"),
        ("Kim", "friday", "9 am", 2, "from 12 pm to 9 pm"),
        ("Kim", "friday", "soon", 2, "At what time"),
        ("Kim", "friday", "19:00", 0, "one to 8 guests"),
        ("Kim", "friday", "19:00", 9, "one to 8 guests"),
        ("  ", "friday", "19:00", 2, "In which name"),
    ],
)
async def test_what_cannot_be_booked_is_asked_again(
    desk: FrontDesk, session: TestSession, name: str, day: str, at: str, guests: int, answer: str
) -> None:
    assert answer in await desk.book_table(session, name, day, at, guests)  # type: ignore[arg-type]
    assert "booking" not in session.state


async def test_a_full_day_takes_no_more(desk: FrontDesk, session: TestSession) -> None:
    for _ in range(TABLES_PER_DAY):
        assert "I have booked" in await desk.book_table(session, "Kim", "friday", "19:00", 2)
    assert "fully booked" in await desk.book_table(session, "Kim", "friday", "19:00", 2)
    assert "I have booked" in await desk.book_table(session, "Kim", "sunday", "19:00", 2)


def test_a_full_book_refuses() -> None:
    bookings = Bookings()
    for _ in range(TABLES_PER_DAY):
        bookings.add("Kim", "friday", "7 pm", 2)
    with pytest.raises(ValueError, match="friday"):
        bookings.add("Kim", "friday", "7 pm", 2)


async def test_hanging_up_ends_the_session(desk: FrontDesk, session: TestSession) -> None:
    assert "Goodbye" in await desk.hang_up(session)
    assert session.ended == ["goodbye"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("19:30", time(19, 30)),
        ("7:30 pm", time(19, 30)),
        ("7:30PM", time(19, 30)),
        ("7 p.m.", time(19)),
        ("7pm", time(19)),
        ("7", time(19)),
        ("7:30", time(19, 30)),
        ("12", time(12)),
        ("9 am", time(9)),
        ("8 o'clock", time(20)),
        ("25:00", None),
        ("", None),
        ("noon-ish", None),
    ],
)
def test_times_as_callers_say_them(text: str, expected: time | None) -> None:
    assert parse_time(text) == expected


def test_the_terrace_is_as_the_platform_says() -> None:
    assert "the terrace is open" in FrontDesk(Bookings()).weather_on_the_terrace()
    assert FrontDesk(Bookings(), terrace_open=False).weather_on_the_terrace() == "The terrace is closed today."
