"""Tells the platform's observers what happens in all sessions, beside the calls and never in their way."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from functools import partial
from typing import Any

from voice_host.observability import metrics
from voice_host.observability.logs import get_logger
from voice_host.settings import AgentsSettings
from voice_host.tasks import in_background
from voice_host.tenancy import isolated
from voice_host_sdk import ObservedSession, SessionObserver

log = get_logger(__name__)

LANES = 8
"""Events of one observer that may be under way at once. A session keeps to one lane, so its events stay in order."""

LANE_LENGTH = 512
"""Events waiting in a lane. Further ones are dropped and counted."""

DEFAULT_TIMEOUT_S = AgentsSettings().callback_timeout_s

_Event = tuple[str, tuple[Any, ...]]


class Observers:
    """The observers of one process. They outlive sessions: a call that ends does not wait for them.

    Args:
        observers: by the name of their extension. Their `on_startup` and `on_shutdown` are not called from here.
        timeout_s: for each event, and for those that wait when the host stops.
    """

    def __init__(
        self, observers: Mapping[str, SessionObserver] | None = None, *, timeout_s: float = DEFAULT_TIMEOUT_S
    ) -> None:
        self._lines = [_Line(name, observer, timeout_s) for name, observer in (observers or {}).items()]

    def start(self) -> None:
        """Begin to deliver; events before it are kept as far as there is room."""
        for line in self._lines:
            line.start()

    def tell(self, event: str, session: ObservedSession, *records: object) -> None:
        """Queue an event for every observer. Returns at once.

        Args:
            event: the name of a method of `SessionObserver`.
            records: its arguments after the session.
        """
        for line in self._lines:
            line.put(event, session, *records)

    async def aclose(self) -> None:
        """Deliver what waits, for `timeout_s` at most, and stop. Idempotent."""
        async with asyncio.TaskGroup() as tasks:
            for line in self._lines:
                tasks.create_task(line.aclose())


class _Line:
    """One observer with its lanes."""

    def __init__(self, name: str, observer: SessionObserver, timeout_s: float) -> None:
        self._name = name
        self._observer = observer
        self._timeout_s = timeout_s
        self._lanes: list[asyncio.Queue[_Event]] = [asyncio.Queue(LANE_LENGTH) for _ in range(LANES)]
        self._workers: list[asyncio.Task[None]] = []

    def start(self) -> None:
        self._workers = [
            in_background(self._work(lane), "observer", of=f"{self._name}-{number}")
            for number, lane in enumerate(self._lanes)
        ]

    def put(self, event: str, session: ObservedSession, *records: object) -> None:
        try:
            self._lanes[hash(session.session_id) % LANES].put_nowait((event, (session, *records)))
        except asyncio.QueueFull:
            metrics.OBSERVER_EVENTS_DROPPED.labels(self._name, event).inc()

    async def aclose(self) -> None:
        if not self._workers:
            return
        joins = [asyncio.create_task(lane.join()) for lane in self._lanes]
        await asyncio.wait(joins, timeout=self._timeout_s)
        for task in (*joins, *self._workers):
            task.cancel()
        await asyncio.wait([*joins, *self._workers], timeout=1)  # not for ever for one that ignores it
        self._workers = []
        for lane in self._lanes:
            while not lane.empty():
                event, _ = lane.get_nowait()
                metrics.OBSERVER_EVENTS_DROPPED.labels(self._name, event).inc()

    async def _work(self, lane: asyncio.Queue[_Event]) -> None:
        while True:
            event, arguments = await lane.get()
            try:
                await self._deliver(event, arguments)
            finally:
                lane.task_done()

    async def _deliver(self, event: str, arguments: tuple[Any, ...]) -> None:
        try:
            call = partial(getattr(self._observer, event), *arguments)
            await isolated(call, name=f"{event}-{self._name}", timeout_s=self._timeout_s)
        except Exception as error:
            metrics.OBSERVER_ERRORS.labels(self._name, event).inc()
            log.warning("observer_failed", extension=self._name, callback=event, exc_info=error)
