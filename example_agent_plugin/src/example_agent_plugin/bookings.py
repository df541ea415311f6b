"""The book in which tables are reserved, kept in memory. A real agent would ask a service here."""

from __future__ import annotations

from dataclasses import dataclass

TABLES_PER_DAY = 20


@dataclass(frozen=True, slots=True)
class Booking:
    """A table that has been reserved. `number` is the part of the reference after the letter."""

    number: int
    name: str
    day: str
    time: str
    guests: int

    @property
    def reference(self) -> str:
        """Short enough to be said and remembered: `B 7`."""
        return f"B {self.number}"

    def __str__(self) -> str:
        table = "a table for one" if self.guests == 1 else f"a table for {self.guests}"
        return f"{table} on {self.day.capitalize()} at {self.time}, in the name of {self.name}"


class Bookings:
    """All bookings of the coming week: at most `TABLES_PER_DAY` a day."""

    def __init__(self) -> None:
        self._bookings: list[Booking] = []

    def is_full(self, day: str) -> bool:
        """Whether no table is left on that day."""
        return sum(booking.day == day for booking in self._bookings) >= TABLES_PER_DAY

    def add(self, name: str, day: str, time: str, guests: int) -> Booking:
        """Reserve a table.

        Raises:
            ValueError: no table is left on that day.
        """
        if self.is_full(day):
            raise ValueError(f"no table is left on {day}")
        booking = Booking(len(self._bookings) + 1, name, day, time, guests)
        self._bookings.append(booking)
        return booking

    def find(self, name: str) -> Booking | None:
        """Return the latest booking in that name, in whatever case it is written."""
        wanted = name.strip().casefold()
        return next((booking for booking in reversed(self._bookings) if booking.name.casefold() == wanted), None)
