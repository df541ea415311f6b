"""Agents that have nothing in common but that people talk to them. The front desk is the installed example."""

from __future__ import annotations

from datetime import date, time
from typing import Annotated, Literal

from pydantic import Field

from voice_host.testing.sources import AgentSource
from voice_host_sdk import AgentConfig

Doctor = Literal["Patel", "Gomez", "Lind"]
Room = Literal["kitchen", "bedroom", "living_room", "hall"]
Account = Literal["checking", "savings"]


# --- a doctor's practice: dates, times, free text, a telephone number ------------------------------------------------


def book_appointment(patient: str, doctor: Doctor, date: date, time: time, reason: str | None = None) -> str:
    """Make an appointment with a doctor.

    Args:
        patient: The patient's full name.
        doctor: Which doctor the patient wants to see.
        date: The day of the appointment.
        time: The time of day.
        reason: What is wrong, in the patient's words.
    """
    return f"You can come to Doctor {doctor} on {date.isoformat()} at {time:%H:%M}."


def cancel_appointment(patient: str, date: date) -> str:
    """Cancel an appointment.

    Args:
        patient: The patient's full name.
        date: The day of the appointment.
    """
    return "Your appointment is cancelled."


def renew_prescription(patient: str, medicine: str, phone: str) -> str:
    """Renew a prescription for a medicine.

    Args:
        patient: The patient's full name.
        medicine: The name of the medicine.
        phone: The telephone number to call back.
    """
    return "The prescription will be ready tomorrow."


def free_times(date: date, doctor: Doctor | None = None) -> list[str]:
    """Find out which times are free or available on a day.

    Args:
        date: The day to look at.
        doctor: Whose times; leave out for all doctors.
    """
    return ["9:00", "11:30", "16:00"]


def directions() -> str:
    """Explain where the practice is, its address, and how to get there."""
    return "We are at 4 Mill Street, opposite the station."


CLINIC = AgentConfig(
    title="Mill Street Practice",
    description="Makes and cancels appointments, and renews prescriptions.",
    greeting="Mill Street Practice, good morning.",
    tools=(book_appointment, cancel_appointment, renew_prescription, free_times, directions),
)


# --- a house: switches, numbers, optional parameters, tools without any ----------------------------------------------


def set_light(
    room: Room, state: Literal["on", "off"], brightness: Annotated[int, Field(ge=1, le=100)] | None = None
) -> str:
    """Switch the light in a room on or off, or dim it.

    Args:
        room: Which room.
        state: Whether the light is on or off.
        brightness: How bright, in percent.
    """
    return "Done."


def set_temperature(degrees: float, room: Room | None = None) -> str:
    """Set the temperature of the heating.

    Args:
        degrees: The temperature in degrees.
        room: Which room; the whole house if left out.
    """
    return f"The heating is set to {degrees} degrees."


def start_timer(minutes: int) -> str:
    """Start a timer, as for eggs or pasta.

    Args:
        minutes: How many minutes.
    """
    return f"I will ring in {minutes} minutes."


def add_to_shopping_list(item: str, quantity: int = 1) -> str:
    """Put something on the shopping list.

    Args:
        item: What to buy.
        quantity: How many of it.
    """
    return f"{item} is on the list."


def read_shopping_list() -> dict[str, int]:
    """Read out what is on the shopping list."""
    return {"milk": 1, "eggs": 6}


def lock_doors() -> None:
    """Lock all doors of the house."""


def play_music(artist: str, shuffle: bool = False) -> str:
    """Play music by an artist or a band.

    Args:
        artist: The name of the artist or band.
        shuffle: Whether to shuffle the songs.
    """
    return f"Here is {artist}."


HOUSE = AgentConfig(
    title="House",
    description="Controls lights, heating, music and doors.",
    tools=(
        set_light,
        set_temperature,
        start_timer,
        add_to_shopping_list,
        read_shopping_list,
        lock_doors,
        play_music,
    ),
)

AGENTS: dict[str, AgentSource] = {"desk": "front-desk", "clinic": CLINIC, "house": HOUSE}
