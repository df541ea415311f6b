"""Sharing threads among clients, so that none of them can take them all."""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict, deque
from collections.abc import Hashable


class QueueFull(Exception):
    """A client waits for as many turns as it may."""


class FairTurns:
    """Turns for clients: those who wait get theirs in rotation, however much each asks for.

    Args:
        at_once: turns at a time, of all clients.
        most: turns at a time of one client. With one less than `at_once`, another's first request never waits for it.
        waiting: turns that a client may wait for.
    """

    def __init__(self, *, at_once: int, most: int, waiting: int) -> None:
        self._at_once = at_once
        self._most = most
        self._most_waiting = waiting
        self._running: Counter[Hashable] = Counter()
        self._waiting: OrderedDict[Hashable, deque[asyncio.Future[None]]] = OrderedDict()

    def free(self, client: Hashable) -> bool:
        """Whether a client would get a turn at once."""
        return self._running.total() < self._at_once and self._running[client] < self._most

    async def take(self, client: Hashable) -> None:
        """Wait for a turn; `give_back` ends it. Cancelling stops waiting.

        Raises:
            QueueFull: the client waits for too many.
        """
        if self.free(client):  # then nobody who may have it waits
            self._running[client] += 1
            return
        queue = self._waiting.setdefault(client, deque())
        if len(queue) >= self._most_waiting:
            raise QueueFull
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        queue.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.cancelled():
                self._forget(client, turn)
            else:
                self.give_back(client)
            raise

    def give_back(self, client: Hashable) -> None:
        """End a turn. The next waiting client gets it."""
        self._running[client] -= 1
        if not self._running[client]:
            del self._running[client]
        while (following := next((each for each in self._waiting if self.free(each)), None)) is not None:
            queue = self._waiting.pop(following)
            turn = queue.popleft()
            if queue:
                self._waiting[following] = queue  # behind the others
            if not turn.cancelled():  # its task has not run since
                self._running[following] += 1
                turn.set_result(None)

    def _forget(self, client: Hashable, turn: asyncio.Future[None]) -> None:
        queue = self._waiting.get(client, deque())
        if turn in queue:
            queue.remove(turn)
        if not queue:
            self._waiting.pop(client, None)
