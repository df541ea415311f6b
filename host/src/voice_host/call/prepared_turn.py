"""A turn that begins before the caller's is final: what its model says waits here until it is wanted, or dropped."""

from __future__ import annotations

import asyncio
from collections import deque

from voice_host.conversation.events import AgentEvent
from voice_host.conversation.turn import AgentTurn, OnEvent

EVENTS_AHEAD = 512
"""Events kept before the turn is final. When full, the model's stream waits."""


class HeadStart:
    """Runs a turn ahead, at least up to the point where only the caller's words are missing.

    `run()` is a task of the call; `deliver()` is awaited once the turn is committed.
    """

    def __init__(self, turn: AgentTurn) -> None:
        self.turn = turn
        self.task: asyncio.Task[None] | None = None
        """Runs `run()`; set by whoever starts it."""
        self._kept: deque[AgentEvent] = deque()
        self._room = asyncio.Event()
        self._deliver: OnEvent | None = None
        self._error: Exception | None = None

    async def run(self) -> None:
        """Let the model go on until its turn ends, or is dropped."""
        try:
            await self.turn.run(self._take)
        except Exception as error:  # noqa: BLE001 - whatever the model raises is raised again where its text is awaited
            self._error = error

    async def deliver(self, on_event: OnEvent) -> None:
        """Hand over what was kept, and from then on whatever comes. Returns when the turn has ended.

        Raises:
            Exception: what the model raised.
        """
        try:
            while self._kept:
                await on_event(self._kept.popleft())
            self._deliver = on_event
            self._room.set()
            assert self.task is not None
            await asyncio.wait([self.task])
            if self._error is not None:
                raise self._error
        finally:
            await self.drop()

    async def drop(self) -> None:
        """Stop the model, if it is still at work, and wait until it has stopped."""
        self.abandon()
        if self.task is not None and not self.task.done():
            await asyncio.wait([self.task])

    def abandon(self) -> None:
        """Let the model stop, if it is still at work."""
        self.turn.alive = self.turn.alive and self.turn.committed.is_set()
        if self.task is not None:
            self.task.cancel()

    async def _take(self, event: AgentEvent) -> None:
        if self._deliver is None and len(self._kept) >= EVENTS_AHEAD:
            await self._room.wait()
        if self._deliver is None:
            self._kept.append(event)
        else:
            await self._deliver(event)
