"""Delivers the events of all sessions to the platform's observers, in the background."""

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

QUEUES = 8
"""Queues of one observer, delivered concurrently. A session uses one of them, so that its events stay in order."""

QUEUE_LENGTH = 512
"""Events that may wait in one queue. Further ones are dropped and counted."""

DEFAULT_TIMEOUT_S = AgentsSettings().callback_timeout_s

_Event = tuple[str, tuple[Any, ...]]


class Observers:
    """The observers of this process. A call that ends does not wait for them.

    Args:
        observers: by the name of their extension. Their `on_startup` and `on_shutdown` are called elsewhere.
        timeout_s: for each event, and for the queued ones when the host stops.
    """

    def __init__(
        self, observers: Mapping[str, SessionObserver] | None = None, *, timeout_s: float = DEFAULT_TIMEOUT_S
    ) -> None:
        self._observers = [_ObserverQueues(name, observer, timeout_s) for name, observer in (observers or {}).items()]

    def start(self) -> None:
        """Begin to deliver. Events before that are queued."""
        for observer in self._observers:
            observer.start()

    def notify(self, event: str, session: ObservedSession, *records: object) -> None:
        """Queue an event for every observer. Returns at once.

        Args:
            event: the name of a method of `SessionObserver`.
            records: its arguments after the session.
        """
        for observer in self._observers:
            observer.put(event, session, *records)

    async def aclose(self) -> None:
        """Deliver queued events for at most `timeout_s`, and stop. Idempotent."""
        async with asyncio.TaskGroup() as tasks:
            for observer in self._observers:
                tasks.create_task(observer.aclose())


class _ObserverQueues:
    """One observer with its queues."""

    def __init__(self, name: str, observer: SessionObserver, timeout_s: float) -> None:
        self._name = name
        self._observer = observer
        self._timeout_s = timeout_s
        self._queues: list[asyncio.Queue[_Event]] = [asyncio.Queue(QUEUE_LENGTH) for _ in range(QUEUES)]
        self._workers: list[asyncio.Task[None]] = []

    def start(self) -> None:
        self._workers = [
            in_background(self._work(queue), "observer", of=f"{self._name}-{number}")
            for number, queue in enumerate(self._queues)
        ]

    def put(self, event: str, session: ObservedSession, *records: object) -> None:
        try:
            self._queues[hash(session.session_id) % QUEUES].put_nowait((event, (session, *records)))
        except asyncio.QueueFull:
            metrics.OBSERVER_EVENTS_DROPPED.labels(self._name, event).inc()

    async def aclose(self) -> None:
        if not self._workers:
            return
        joins = [asyncio.create_task(queue.join()) for queue in self._queues]
        await asyncio.wait(joins, timeout=self._timeout_s)
        for task in (*joins, *self._workers):
            task.cancel()
        await asyncio.wait([*joins, *self._workers], timeout=1)  # an observer may ignore the cancellation
        self._workers = []
        for queue in self._queues:
            while not queue.empty():
                event, _ = queue.get_nowait()
                metrics.OBSERVER_EVENTS_DROPPED.labels(self._name, event).inc()

    async def _work(self, queue: asyncio.Queue[_Event]) -> None:
        while True:
            event, arguments = await queue.get()
            try:
                await self._deliver(event, arguments)
            finally:
                queue.task_done()

    async def _deliver(self, event: str, arguments: tuple[Any, ...]) -> None:
        try:
            call = partial(getattr(self._observer, event), *arguments)
            await isolated(call, name=f"{event}-{self._name}", timeout_s=self._timeout_s)
        except Exception as error:
            metrics.OBSERVER_ERRORS.labels(self._name, event).inc()
            log.warning("observer_failed", extension=self._name, callback=event, exc_info=error)
