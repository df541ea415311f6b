"""The two hooks through which the host gets to know this agent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from example_agent_plugin.bookings import Bookings
from example_agent_plugin.callbacks import FrontDeskCallbacks
from example_agent_plugin.tools import FrontDesk
from voice_host_sdk import AgentConfig, LifecycleCallbacks, TTSConfig, hookimpl

DEFAULT_NAME = "The Copper Spoon"

INSTRUCTIONS = """
You answer the telephone of the restaurant {name}. You tell callers when it is open, what is cooked on a day and whether
they can sit outside, you book tables, and you look bookings up. Before you book, make sure that you know the caller's
name, the day, the time and the number of guests; ask for whatever is missing. After booking, repeat the reference. When
the caller says goodbye, hang up.
"""


@hookimpl
def agent_config(settings: Mapping[str, Any]) -> AgentConfig:
    """Describe the agent. `settings` may have a `restaurant_name`, and `terrace_open`."""
    name = settings.get("restaurant_name", DEFAULT_NAME)
    # Made here and not in the module: a second agent of this package would have bookings of its own.
    desk = FrontDesk(Bookings(), terrace_open=settings.get("terrace_open", True))
    return AgentConfig(
        title="Front desk",
        description=f"Answers the phone of {name}: opening hours, the dish of the day, bookings.",
        examples=(
            "Are you open on Sunday?",
            "What is the dish of the day on Friday?",
            "I would like a table for two tomorrow at seven.",
        ),
        instructions=INSTRUCTIONS.format(name=name),
        greeting=f"Hello, this is {name}. How can I help you?",
        tools=(
            desk.opening_hours,
            desk.menu_of_the_day,
            desk.weather_on_the_terrace,
            desk.book_table,
            desk.find_booking,
            desk.hang_up,
        ),
        tts_config=TTSConfig(voice="tara"),
    )


@hookimpl
def lifecycle_callbacks(settings: Mapping[str, Any]) -> LifecycleCallbacks:
    """Tell the host what to call while conversations come and go."""
    return FrontDeskCallbacks()
