"""A reply under way: its id, its text, its speech, and the task that makes it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from voice_host.agent.turn import AgentTurn
from voice_host.session.latency import Stages
from voice_host.session.playout import Playout

TEXT_QUEUE_LENGTH = 64
"""Pieces of text between the model and the voice. When full, the model waits: a voice is slower than any model."""


@dataclass(slots=True, eq=False)
class Reply:
    """One reply. `alive` turns False when it is cancelled; nothing is sent for it after that."""

    id: int
    playout: Playout
    stages: Stages
    alive: bool = True
    remember: bool = True
    """False once the caller asked to forget the conversation."""
    turn: AgentTurn | None = None
    """The model's part of it; None for a greeting and the like."""
    text: str = ""
    heard: str | None = None
    """What was audible when it was cut; None while it was not cut."""
    texts: asyncio.Queue[str | None] = field(default_factory=lambda: asyncio.Queue(TEXT_QUEUE_LENGTH))
    """What is to be spoken; None ends it."""
    task: asyncio.Task[None] | None = None

    def cut(self) -> str:
        """Kill it: no audio or message of it goes out any more. Returns what was heard."""
        self.alive = False
        if self.turn is not None:
            self.turn.alive = False
        self.heard = self.playout.stop()
        if self.task is not None:
            self.task.cancel()
        return self.heard
