"""Prepared turns: the model's work starts before the caller's turn is final, or even known."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any

from voice_host.conversation.events import AgentEvent
from voice_host.conversation.turn import AgentTurn, OnEvent
from voice_host.conversation.voice_agent import VoiceAgent

EVENTS_AHEAD = 512
"""Events kept before the turn is final. When full, the model's stream waits."""


class PreparedTurn:
    """A turn that runs ahead of the caller. Without the caller's words, it runs until it needs them.

    `run()` is a task of the call. `deliver()` is awaited once the turn is final.
    """

    def __init__(self, turn: AgentTurn) -> None:
        self.turn = turn
        self.task: asyncio.Task[None] | None = None
        """The task of `run()`, set by the code that starts it."""
        self._kept: deque[AgentEvent] = deque()
        self._room = asyncio.Event()
        self._deliver: OnEvent | None = None
        self._error: Exception | None = None

    async def run(self) -> None:
        """Run the turn until it ends or is dropped."""
        try:
            await self.turn.run(self._take)
        except Exception as error:  # noqa: BLE001 - whatever the model raises is raised again where its text is awaited
            self._error = error
        finally:
            self._deliver = None  # it refers to the reply

    async def deliver(self, on_event: OnEvent) -> None:
        """Pass on the events kept so far, and then each event as it arrives. Returns when the turn has ended.

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
        """Stop the model if it still runs, and wait until it has stopped."""
        self.cancel()
        if self.task is not None and not self.task.done():
            await asyncio.wait([self.task])

    def cancel(self) -> None:
        """Stop the model if it still runs. Returns at once."""
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


class TurnPreparation:
    """Prepares the next turn of one call, and lets the model speculate on it.

    Nothing is prepared while the history is incomplete, since the model would not know what was said last.

    Args:
        agent: whose turns they are.
        spawn: starts a task that ends with the call.
        history_is_complete: whether the last reply is in the history.
    """

    def __init__(
        self,
        agent: VoiceAgent,
        spawn: Callable[[Coroutine[Any, Any, None], str], asyncio.Task[None]],
        history_is_complete: Callable[[], bool],
    ) -> None:
        self._agent = agent
        self._spawn = spawn
        self._history_is_complete = history_is_complete
        self.current: PreparedTurn | None = None
        """The turn being prepared."""

    def prepare(self) -> None:
        """Prepare the next turn, except for the caller's words. Does nothing if that is done."""
        if not self._history_is_complete():
            return
        if self.current is not None and not self._is_current(self.current):
            self.current.cancel()  # the agent has said something since, without being asked
            self.current = None
        if self.current is None:
            self._begin()

    async def speculate(self, text: str) -> None:
        """Ask the model to answer a turn that is not final."""
        if not self._history_is_complete():
            return
        if self.current is None or not self._is_current(self.current):
            await self.drop()
            self._begin()
        assert self.current is not None
        self.current.turn.ask(text)

    async def ask(self, text: str) -> None:
        """Give the prepared turn the caller's words, and let it send its request before anything else happens."""
        if self.current is not None and self._history_is_complete() and self._is_current(self.current):
            self.current.turn.ask(text)
            await asyncio.sleep(0)

    async def take(self) -> PreparedTurn | None:
        """Return the turn that was asked; None: there is none, or the history has changed since."""
        prepared, self.current = self.current, None
        if prepared is None or (prepared.turn.asked.is_set() and self._is_current(prepared)):
            return prepared
        await prepared.drop()
        return None

    async def drop(self) -> None:
        """Discard the prepared turn."""
        prepared, self.current = self.current, None
        if prepared is not None:
            await prepared.drop()

    def _is_current(self, prepared: PreparedTurn) -> bool:
        return self._agent.is_current(prepared.turn)

    def _begin(self) -> None:
        self.current = PreparedTurn(self._agent.prepare_turn())
        self.current.task = self._spawn(self.current.run(), "prepared-turn")
