"""What happens around a conversation: a personal greeting before it, a line in the log after it."""

from __future__ import annotations

import logging
from datetime import datetime

from voice_host_sdk import AgentConfig, LifecycleCallbacks, Session, SessionEnd

LONGEST_NAME = 40

logger = logging.getLogger(__name__)


class FrontDeskCallbacks(LifecycleCallbacks):
    """Greets by name and keeps one line per call. It has no state of its own: what a call needs is in its session."""

    async def on_session_starting(self, session: Session, config: AgentConfig) -> AgentConfig:
        """Tell the model what day it is, and greet a caller whose app has sent a name along."""
        changes = {"instructions": f"{config.instructions}\nToday is {datetime.now():%A}."}
        if name := spoken_name(session.metadata.get("name")):
            changes["greeting"] = config.greeting.replace("Hello", f"Hello {name}", 1)
        return config.model_copy(update=changes)

    async def on_session_destroyed(self, session: Session, end: SessionEnd) -> None:
        """Sum the call up. The caller's words and name stay out of the log."""
        booking = session.state.get("booking")
        logger.info(
            "call %s: %s after %.0f s and %d turns, %s",
            session.id,
            end.reason,
            end.duration_s,
            end.turns,
            f"booked {booking}" if booking else "nothing booked",
        )


def spoken_name(sent: object) -> str:
    """Return the name a client has sent if it can be one. Metadata is untrusted: it is spoken, never an instruction."""
    if not isinstance(sent, str):
        return ""
    name = sent.strip()
    letters = name.replace(" ", "").replace("-", "").replace("'", "")
    return name if letters.isalpha() and len(name) <= LONGEST_NAME else ""
