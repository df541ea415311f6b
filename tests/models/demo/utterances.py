"""What people say to three agents, with the punctuation and case of a recogniser; and what should come of it.

Each expectation is a tool with its arguments, or a word of the question that should be asked back. The day is a Monday,
the 23rd of November 2026.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Call:
    """A tool that should be called: at once, or after "yes" when the model asks whether it guessed right."""

    tool: str
    arguments: dict[str, Any]


@dataclass(frozen=True)
class Ask:
    """No tool should be called, and the answer holds this."""

    about: str


def call(tool: str, **arguments: Any) -> Call:
    return Call(tool, arguments)


UTTERANCES: list[tuple[str, str, Call | Ask]] = [
    ("desk", "Hi there, um, are you open on Thursday?", call("opening_hours", day="thursday")),
    ("desk", "What time do you close on Sunday?", call("opening_hours", day="sunday")),
    ("desk", "Are you open today?", call("opening_hours", day="monday")),
    ("desk", "Do you open tomorrow?", call("opening_hours", day="tuesday")),
    ("desk", "What's for dinner tonight?", call("menu_of_the_day", day="monday")),
    ("desk", "What are you cooking on Wednesday?", call("menu_of_the_day", day="wednesday")),
    ("desk", "Could you tell me the menu for this Saturday, please?", call("menu_of_the_day", day="saturday")),
    ("desk", "Can we sit outside?", call("weather_on_the_terrace")),
    ("desk", "Is it nice weather there?", call("weather_on_the_terrace")),
    (
        "desk",
        "I'd like to book a table for four on Saturday at 7:30 PM. My name is Anna Weber.",
        call("book_table", name="Anna Weber", day="saturday", time="19:30", guests=4),
    ),
    (
        "desk",
        "Hi, this is Tom. Can I get a table for two, tomorrow at eight?",
        call("book_table", name="Tom", day="tuesday", time="8:00", guests=2),
    ),
    (
        "desk",
        "Friday, half past seven, three people, under the name Miller, please. I want to reserve a table.",
        call("book_table", name="Miller", day="friday", time="7:30", guests=3),
    ),
    (
        "desk",
        "A table for a couple of people on Thursday evening at 6:45, in the name of Kim.",
        call("book_table", name="Kim", day="thursday", time="18:45", guests=2),
    ),
    (
        "desk",
        "We are a party of five and we would like to come in on Friday at seven. It's for Lopez.",
        call("book_table", name="Lopez", day="friday", time="7:00", guests=5),
    ),
    ("desk", "I need a reservation for tonight, please.", Ask("name")),
    ("desk", "Could you check my booking? It's under Weber.", call("find_booking", name="Weber")),
    ("desk", "Do you have a reservation for Miller?", call("find_booking", name="Miller")),
    ("desk", "Okay, thanks, bye.", call("hang_up")),
    ("desk", "So what can you do?", Ask("book a table")),
    ("desk", "Could you sing me a song?", Ask("I can")),
    ("clinic", "Hello, I'd like to make an appointment, please.", Ask("patient")),
    (
        "clinic",
        "I need to see Doctor Gomez on Friday at 10 AM. My name is Ruth Baker.",
        call("book_appointment", patient="Ruth Baker", doctor="Gomez", date="2026-11-27", time="10:00:00"),
    ),
    (
        "clinic",
        "Can I get an appointment with Dr. Patel tomorrow at half past nine in the morning? I'm Sam Green.",
        call("book_appointment", patient="Sam Green", doctor="Patel", date="2026-11-24", time="09:30:00"),
    ),
    (
        "clinic",
        "This is Ivy Stone, I want to see Doctor Lind on the 3rd of December at quarter past two.",
        call("book_appointment", patient="Ivy Stone", doctor="Lind", date="2026-12-03", time="14:15:00"),
    ),
    (
        "clinic",
        "Doctor Patel, on Wednesday, three p.m. I need an appointment for Omar Said.",
        call("book_appointment", patient="Omar Said", doctor="Patel", date="2026-11-25", time="15:00:00"),
    ),
    (
        "clinic",
        "I have to cancel my appointment on Thursday. My name is Ruth Baker.",
        call("cancel_appointment", patient="Ruth Baker", date="2026-11-26"),
    ),
    (
        "clinic",
        "Please cancel the appointment of Sam Green for the day after tomorrow.",
        call("cancel_appointment", patient="Sam Green", date="2026-11-25"),
    ),
    ("clinic", "I can't make it to my appointment on December 1st, can you cancel that?", Ask("patient")),
    ("clinic", "I need my prescription renewed.", Ask("patient")),
    ("clinic", "Um, which times are free on Friday?", call("free_times", date="2026-11-27")),
    ("clinic", "Is Doctor Lind available on Tuesday?", call("free_times", date="2026-11-24", doctor="Lind")),
    (
        "clinic",
        "What do you have free this Thursday with Dr. Gomez?",
        call("free_times", date="2026-11-26", doctor="Gomez"),
    ),
    ("clinic", "Anything free today?", call("free_times", date="2026-11-23")),
    ("clinic", "Where are you, exactly?", call("directions")),
    ("clinic", "What's your address, please?", call("directions")),
    ("clinic", "How do I get there by bus?", call("directions")),
    ("clinic", "Do you have times available on the fifth of January?", call("free_times", date="2027-01-05")),
    ("clinic", "Who am I talking to?", Ask("Mill Street Practice")),
    ("clinic", "How can you help me?", Ask("appointment")),
    ("clinic", "My cat is on the roof.", Ask("I can")),
    ("house", "Turn on the kitchen light, please.", call("set_light", room="kitchen", state="on")),
    ("house", "Switch off the lights in the living room.", call("set_light", room="living_room", state="off")),
    ("house", "Could you dim the bedroom light to thirty percent?", Ask("on or off")),
    ("house", "Lights on in the hall, brightness fifty.", call("set_light", room="hall", state="on", brightness=50)),
    ("house", "Turn the bedroom lights off.", call("set_light", room="bedroom", state="off")),
    ("house", "Set the temperature to twenty-one and a half degrees.", call("set_temperature", degrees=21.5)),
    ("house", "Please heat the bedroom to 19 degrees.", call("set_temperature", degrees=19, room="bedroom")),
    ("house", "Make it 22 degrees in here.", call("set_temperature", degrees=22)),
    ("house", "Start a timer for ten minutes.", call("start_timer", minutes=10)),
    ("house", "Um, can you set a timer for forty-five minutes?", call("start_timer", minutes=45)),
    ("house", "Timer, please. Seven minutes.", call("start_timer", minutes=7)),
    ("house", "Put milk on the shopping list.", call("add_to_shopping_list", item="milk")),
    ("house", "Add six eggs to my shopping list, please.", call("add_to_shopping_list", item="eggs", quantity=6)),
    ("house", "What's on the shopping list?", call("read_shopping_list")),
    ("house", "Read me my list.", call("read_shopping_list")),
    ("house", "Lock the doors, please.", call("lock_doors")),
    ("house", "Can you make sure all the doors are locked?", call("lock_doors")),
    ("house", "Play some music by Nina Simone.", call("play_music", artist="Nina Simone")),
    ("house", "I want to hear some music.", Ask("artist")),
    ("house", "What is the capital of France?", Ask("I can")),
]
