"""A model that begins before the caller's turn is final: what it writes waits here until it is wanted, or dropped."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

from voice_host.agent.events import AgentEvent
from voice_host.agent.turn import AgentTurn

EVENTS_AHEAD = 512
"""Events kept before the turn is final. When full, the model's stream waits."""


class HeadStart:
    """Runs a turn's model ahead. `run()` is a task of the call; `events()` is read once the turn is committed."""

    def __init__(self, turn: AgentTurn) -> None:
        self.turn = turn
        self._events: asyncio.Queue[AgentEvent | BaseException | None] = asyncio.Queue(EVENTS_AHEAD)
        self.task: asyncio.Task[None] | None = None
        """Runs `run()`; set by whoever starts it."""

    async def run(self) -> None:
        """Pull the turn's events until it ends or is dropped."""
        try:
            async for event in self.turn.events():
                await self._events.put(event)
            await self._events.put(None)
        except Exception as error:  # noqa: BLE001 - whatever the model raises is raised again where its text is awaited
            await self._events.put(error)

    async def events(self) -> AsyncGenerator[AgentEvent, None]:
        """Yield the turn's events from its beginning; raises what the model raised."""
        try:
            while (event := await self._events.get()) is not None:
                if isinstance(event, BaseException):
                    raise event
                yield event
        finally:
            await self.drop()

    async def drop(self) -> None:
        """Stop the model, if it is still at work, and wait until it has stopped."""
        self.turn.alive = self.turn.alive and self.turn.committed.is_set()
        if self.task is not None and not self.task.done():
            self.task.cancel()
            await asyncio.wait([self.task])
