"""The latest log lines about each agent, to read and to follow."""

from __future__ import annotations

import asyncio
import json
import threading
from collections import deque
from collections.abc import AsyncGenerator, Iterable, Iterator, MutableMapping
from contextlib import contextmanager
from itertools import islice
from typing import Any

MAX_LINES = 1000
"""Most lines that are kept of an agent."""

MAX_CHARS = 500_000
"""Most text that is kept of an agent: 100 agents that write long lines take 50 MB."""

MAX_FOLLOWERS = 32
"""How many clients may follow logs at the same time."""

SKIPPED = "log_lines_skipped"
"""The event of the line that stands for lines which a follower was too slow to get."""

Fields = MutableMapping[str, Any]


class TooManyFollowers(Exception):
    """There are `MAX_FOLLOWERS` already."""


class _Kept:
    """The latest lines about one agent. `end`: the number of the next line."""

    def __init__(self) -> None:
        self.lines: deque[str] = deque()
        self.chars = 0
        self.end = 0

    def add(self, line: str) -> None:
        self.lines.append(line)
        self.chars += len(line)
        self.end += 1
        while len(self.lines) > MAX_LINES or self.chars > MAX_CHARS:
            self.chars -= len(self.lines.popleft())

    def since(self, number: int) -> list[str]:
        """Return the lines from a number on."""
        begin = self.end - len(self.lines)
        return list(islice(self.lines, max(0, number - begin), None))


class _Follower:
    """Wakes a coroutine from any thread, once for any number of lines."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.event = asyncio.Event()
        self.woken = False

    def wake(self) -> None:
        if not self.woken:
            self.woken = True
            self.loop.call_soon_threadsafe(self.event.set)


class AgentLogs:
    """Keeps the latest log lines about each agent in memory, as JSON texts.

    It is a structlog processor that takes the lines, with all fields already safe to show. Lines may come from any
    thread; they are followed on an event loop.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: dict[str, _Kept] = {}
        self._followers: dict[_Follower, str] = {}
        self._closed = False

    def open(self, agent_ids: Iterable[str]) -> None:
        """Keep the lines about these agents from now on. Lines about others, which callers may make up, are not kept.

        Idempotent.
        """
        with self._lock:
            for agent_id in agent_ids:
                self._kept.setdefault(agent_id, _Kept())

    def __call__(self, _: object, __: str, fields: Fields) -> Fields:
        agent_id = fields.get("agent_id")
        with self._lock:
            kept = self._kept.get(agent_id) if isinstance(agent_id, str) else None
            if kept is not None:
                kept.add(json.dumps(fields, ensure_ascii=False, default=repr))
                for follower, followed in self._followers.items():
                    if followed == agent_id:
                        follower.wake()
        return fields

    def latest(self, agent_id: str, lines: int) -> list[str]:
        """Return the last lines about an agent, the oldest first."""
        with self._lock:
            kept = self._kept.get(agent_id)
            return [] if kept is None else kept.since(kept.end - lines)

    async def follow(self, agent_id: str, lines: int, every_s: float) -> AsyncGenerator[list[str], None]:
        """Yield the last lines about an agent, at once, and then those that come, until `close`.

        Args:
            agent_id: the agent.
            lines: how many of the lines that there are.
            every_s: if there is no line for so long, yields an empty list.

        Raises:
            TooManyFollowers: too many follow already.
        """
        with self._following(agent_id) as follower:
            number = max(0, self._end(agent_id) - lines)
            found, number = self._since(agent_id, number)
            yield found
            while not self._closed:
                follower.event.clear()
                follower.woken = False
                before = number
                found, number = self._since(agent_id, before)
                if skipped := number - before - len(found):
                    found = [json.dumps({"event": SKIPPED, "level": "warning", "lines": skipped}), *found]
                if found:
                    yield found
                    continue
                try:
                    async with asyncio.timeout(every_s):
                        await follower.event.wait()
                except TimeoutError:
                    yield []

    def _end(self, agent_id: str) -> int:
        with self._lock:
            kept = self._kept.get(agent_id)
            return 0 if kept is None else kept.end

    def _since(self, agent_id: str, number: int) -> tuple[list[str], int]:
        """Return the lines from a number on, and the number of the next line."""
        with self._lock:
            kept = self._kept.get(agent_id)
            return ([], 0) if kept is None else (kept.since(number), kept.end)

    @contextmanager
    def _following(self, agent_id: str) -> Iterator[_Follower]:
        follower = _Follower()
        with self._lock:
            if len(self._followers) >= MAX_FOLLOWERS:
                raise TooManyFollowers
            self._followers[follower] = agent_id
        try:
            yield follower
        finally:
            with self._lock:
                del self._followers[follower]

    def close(self) -> None:
        """End what follows: the host stops."""
        with self._lock:
            self._closed = True
            for follower in self._followers:
                follower.wake()
