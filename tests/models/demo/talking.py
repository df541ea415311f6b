"""A caller who talks to the demo model through an agent of pydantic-ai, and some tools to talk about."""

from collections.abc import Callable
from datetime import date
from typing import Any, Literal

from pydantic_ai import Agent, AgentRunResultEvent
from pydantic_ai.messages import (
    ModelMessage,
    ToolCallPart,
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


Weekday = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]


def closing_time(day: Weekday) -> str:
    """Tell when the shop closes.

    Args:
        day: The day the caller asks about.
    """
    return f"At six on {day}."


def reserve_seat(day: Weekday, name: str) -> str:
    """Reserve a seat."""
    return f"Reserved for {name} on {day}."


ANNA = {"name": "Anna", "day": "Saturday", "time": "7:30", "guests": 4}
