"""Whole conversations: what the caller says turn by turn, and the calls that should come of all of it, in order."""

from __future__ import annotations

from tests.models.demo.utterances import Call, call

CONVERSATIONS: list[tuple[str, list[str], list[Call]]] = [
    (
        "desk",
        ["I'd like to book a table.", "Anna Weber.", "Saturday, at seven.", "Four people."],
        [call("book_table", name="Anna Weber", day="saturday", time="7:00", guests=4)],
    ),
    (
        "desk",
        [
            "Can I book a table for two?",
            "For Friday at 7:30 PM.",
            "Actually, make it three.",
            "It's Tom Jones.",
        ],
        [call("book_table", name="Tom Jones", day="friday", time="19:30", guests=3)],
    ),
    (
        "desk",
        [
            "A table for four tomorrow, please.",
            "What do you cook on Tuesday?",
            "Sounds good. At eight, and my name is Kim.",
            "Thank you, goodbye.",
        ],
        [
            call("menu_of_the_day", day="tuesday"),
            call("book_table", name="Kim", day="tuesday", time="8:00", guests=4),
            call("hang_up"),
        ],
    ),
    (
        "desk",
        [
            "Book a table for two on Wednesday at seven for Lee.",
            "And another table for Thursday, please.",
            "Yes.",
            "Are you open on the weekend?",
        ],
        [
            call("book_table", name="Lee", day="wednesday", time="7:00", guests=2),
            call("book_table", name="Lee", day="thursday", time="7:00", guests=2),
            call("opening_hours", day="saturday"),
            call("opening_hours", day="sunday"),
        ],
    ),
    (
        "clinic",
        ["I need an appointment.", "Ruth Baker.", "With Doctor Lind.", "On Friday.", "10:30 AM."],
        [call("book_appointment", patient="Ruth Baker", doctor="Lind", date="2026-11-27", time="10:30:00")],
    ),
    (
        "clinic",
        [
            "I'd like to see Doctor Patel tomorrow at 9 AM.",
            "Oh no, wait, I meant Wednesday.",
            "My name's Sam Green.",
        ],
        [call("book_appointment", patient="Sam Green", doctor="Patel", date="2026-11-25", time="09:00:00")],
    ),
    (
        "clinic",
        [
            "Can you renew a prescription for me?",
            "Yes, it's Ivy Stone.",
            "Ibuprofen.",
            "555 01 32",
        ],
        [call("renew_prescription", patient="Ivy Stone", medicine="Ibuprofen", phone="5550132")],
    ),
    (
        "clinic",
        [
            "Which times are free on Thursday?",
            "And on Friday?",
            "Okay, then an appointment with Doctor Gomez on Friday at four in the afternoon.",
            "Omar Said.",
        ],
        [
            call("free_times", date="2026-11-26"),
            call("free_times", date="2026-11-27"),
            call("book_appointment", patient="Omar Said", doctor="Gomez", date="2026-11-27", time="16:00:00"),
        ],
    ),
    (
        "house",
        ["Turn on the light.", "In the kitchen.", "And in the hall, please.", "Now turn the kitchen light off."],
        [
            call("set_light", room="kitchen", state="on"),
            call("set_light", room="hall", state="on"),
            call("set_light", room="kitchen", state="off"),
        ],
    ),
    (
        "house",
        ["Start a timer.", "The.", "Um, ten minutes.", "What's on the shopping list?"],
        [call("start_timer", minutes=10), call("read_shopping_list")],
    ),
    (
        "house",
        [
            "Add bread to the shopping list.",
            "Play music.",
            "Actually, never mind.",
            "Lock the doors.",
        ],
        [call("add_to_shopping_list", item="bread"), call("lock_doors")],
    ),
    (
        "house",
        [
            "Set the heating to twenty degrees in the hall.",
            "No, the bedroom.",
            "Yes.",
            "What can you do?",
            "Play music by Abba.",
        ],
        [
            call("set_temperature", degrees=20, room="hall"),
            call("set_temperature", degrees=20, room="bedroom"),
            call("play_music", artist="Abba"),
        ],
    ),
]
