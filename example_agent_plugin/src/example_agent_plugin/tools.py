"""What the agent can do. Names, docstrings and annotations are what the model sees of a tool; results are spoken."""

from __future__ import annotations

from datetime import datetime, time
from typing import Literal

from example_agent_plugin.bookings import Bookings
from voice_host_sdk import Session, tool

Weekday = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]

CLOSED_ON: Weekday = "monday"
OPENS, LAST_TABLE, CLOSES = time(12), time(21), time(22)
MOST_GUESTS = 8

DISHES: dict[Weekday, str] = {
    "tuesday": "leek and potato soup",
    "wednesday": "mushroom risotto",
    "thursday": "chicken pie",
    "friday": "grilled trout with lemon",
    "saturday": "slow roast lamb",
    "sunday": "roast beef with vegetables",
}

TIME_FORMATS = ("%H:%M", "%I:%M %p", "%I %p", "%H")


class FrontDesk:
    """The tools of one agent, around its book of reservations."""

    def __init__(self, bookings: Bookings, *, terrace_open: bool = True) -> None:
        self._bookings = bookings
        self._terrace_open = terrace_open

    def opening_hours(self, day: Weekday) -> str:
        """Tell the opening hours: when the restaurant is open or closed.

        Args:
            day: The day of the week the caller asks about.
        """
        if day == CLOSED_ON:
            return f"We are closed on {day.capitalize()}."
        return f"On {day.capitalize()} we are open from {clock(OPENS)} to {clock(CLOSES)}."

    def menu_of_the_day(self, day: Weekday) -> str:
        """Tell the menu: which dish is cooked, what there is to eat on a day.

        Args:
            day: The day of the week the caller asks about.
        """
        dish = DISHES.get(day)
        return f"On {day.capitalize()} we cook {dish}." if dish else f"We are closed on {day.capitalize()}."

    def weather_on_the_terrace(self) -> str:
        """Tell what the weather is like, and whether guests can sit outside."""
        return "The weather is fine, and the terrace is open." if self._terrace_open else "The terrace is closed today."

    # Asynchronous, although nothing is awaited: plain functions run in threads, where two calls could book at once.
    # An interruption must not leave the caller guessing whether the table is booked, so the tool finishes.
    @tool(on_interrupt="finish")
    async def book_table(self, session: Session, name: str, day: Weekday, time: str, guests: int) -> str:
        """Book a table: make a reservation.

        Args:
            name: The name of the caller for the booking.
            day: The day of the week to book.
            time: The time of day to book, such as 19:30 or 7:30 pm.
            guests: How many guests or people will come.
        """
        name = name.strip()
        at = parse_time(time)
        if not name:
            return "In which name may I book?"
        if at is None:
            return "At what time would you like to come?"
        if day == CLOSED_ON:
            return f"We are closed on {day.capitalize()}. Would another day suit you?"
        if not OPENS <= at <= LAST_TABLE:
            return f"We seat guests from {clock(OPENS)} to {clock(LAST_TABLE)}. Would another time suit you?"
        if not 1 <= guests <= MOST_GUESTS:
            return f"I can book a table for one to {MOST_GUESTS} guests."
        if self._bookings.is_full(day):
            return f"I am sorry, we are fully booked on {day.capitalize()}."
        booking = self._bookings.add(name, day, clock(at), guests)
        session.state["booking"] = booking.reference  # a text: it survives if the session has to go on elsewhere
        return f"I have booked {booking}. Your reference is {booking.reference}."

    async def find_booking(self, name: str) -> str:
        """Find a booking: look up or check a reservation that was made before.

        Args:
            name: The name in which the table was booked.
        """
        booking = self._bookings.find(name)
        if booking is None:
            return f"I cannot find a booking in the name of {name.strip()}."
        return f"I found {booking}. The reference is {booking.reference}."

    @tool(terminal=True)
    async def hang_up(self, session: Session) -> str:
        """Hang up: end the call when the caller says goodbye or bye."""
        await session.end("goodbye")
        return "Thank you for calling. Goodbye!"


def clock(at: time) -> str:
    """Return a time as it is spoken: `7 pm`, `7:30 pm`."""
    hour, half = at.hour % 12 or 12, "am" if at.hour < 12 else "pm"
    return f"{hour}:{at.minute:02} {half}" if at.minute else f"{hour} {half}"


def parse_time(text: str) -> time | None:
    """Return the time of day that a caller or a model has put into words, or None."""
    tidy = text.strip().lower().replace(".", "").removesuffix("o'clock").strip()
    if tidy.endswith(("am", "pm")):
        tidy = f"{tidy[:-2].strip()} {tidy[-2:]}"
    for form in TIME_FORMATS:
        try:
            at = datetime.strptime(tidy, form).time()
        except ValueError:
            continue
        # Nobody books a table for the small hours: 7:30 without "am" or "pm" is in the evening.
        return at.replace(hour=at.hour + 12) if at < OPENS and not tidy.endswith("am") else at
    return None
