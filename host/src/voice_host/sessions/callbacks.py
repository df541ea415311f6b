"""Runs the callbacks of a session in order, in the background, each under a time limit."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from contextvars import copy_context
from functools import partial
from typing import Protocol

from voice_host.observability import metrics
from voice_host.observability.logs import get_logger
from voice_host.tasks import in_background
from voice_host.tenancy import attributed_to, isolated
from voice_host_sdk import (
    AgentReply,
    CallAnswer,
    LifecycleCallbacks,
    ObservedSession,
    Session,
    SessionEnd,
    SessionError,
    ToolCall,
    UserTurn,
)

log = get_logger(__name__)

QUEUE_LENGTH = 256
"""Callbacks that may wait in one session. Further ones are dropped and counted; the call never waits for them."""


class EventSink(Protocol):
    """Gets the same events as an agent's callbacks."""

    def notify(self, event: str, session: ObservedSession, *records: object) -> None:
        """Queue an event. Returns at once."""


class CallbackRunner:
    """The callbacks of one session.

    There is a task only while callbacks are queued, so that a parked session needs none.

    Args:
        callbacks: the agent's.
        session: passed to each callback.
        observers: the platform's; they do not wait for the agent's callbacks.
        timeout_s: for each callback.
    """

    def __init__(
        self,
        callbacks: LifecycleCallbacks,
        session: Session,
        *,
        observers: EventSink,
        timeout_s: float,
    ) -> None:
        self._callbacks = callbacks
        self._session = session
        self._observers = observers
        self._observed = ObservedSession(session.agent_id, session.id, session.caller, session.channel)
        self._timeout_s = timeout_s
        self._open = False
        self.on_idle: Callable[[], None] = _ignored
        """Called when no callback waits any more: they may have changed `Session.state`."""
        self._queue: deque[tuple[str, Callable[[], Awaitable[None]]]] = deque()
        self._worker: asyncio.Task[None] | None = None
        # Callbacks run in the context of the session, not of the turn or tool that causes the first of them.
        self._context = copy_context()

    def created(self) -> None:
        """Start, with `on_session_created` as the first callback."""
        self._open = True
        self._report("on_session_created")

    def restored(self) -> None:
        """Start for a session that was restored: `on_session_created` ran when it was created.

        Observers are not notified, since for them the session simply goes on.
        """
        self._open = True
        self._run("on_session_restored", lambda: self._callbacks.on_session_restored(self._session))

    def user_turn(self, turn: UserTurn) -> None:
        self._report("on_user_turn", turn)

    def agent_reply(self, reply: AgentReply) -> None:
        self._report("on_agent_reply", reply)

    def tool_call(self, call: ToolCall) -> None:
        self._report("on_tool_call", call)

    def error(self, error: SessionError) -> None:
        self._report("on_error", error)

    def dtmf(self, digit: str) -> None:
        self._call("on_dtmf", digit)

    def answered(self, answer: CallAnswer) -> None:
        self._call("on_answered", answer)

    async def destroyed(self, end: SessionEnd) -> None:
        """Run what is queued, then `on_session_destroyed` as the last callback."""
        if not self._open:
            return
        self._observers.notify("on_session_destroyed", self._observed, end)
        await self.close()
        last = self._run("on_session_destroyed", lambda: self._callbacks.on_session_destroyed(self._session, end))
        await asyncio.wait([last])

    async def close(self) -> None:
        """Run what is queued, and accept no more. For at most `timeout_s`; the rest is dropped and counted."""
        self._open = False
        if self._worker is not None:
            _, unfinished = await asyncio.wait([self._worker], timeout=self._timeout_s)
            if unfinished:
                self._drop_backlog()

    def _drop_backlog(self) -> None:
        while self._queue:
            name, _ = self._queue.popleft()
            metrics.CALLBACKS_DROPPED.labels(self._session.agent_id, name).inc()

    def _report(self, name: str, *records: object) -> None:
        if not self._open:
            return
        self._observers.notify(name, self._observed, *records)
        self._call(name, *records)

    def _call(self, name: str, *records: object) -> None:
        """Queue a callback of the agent, of which observers are not notified."""
        if not self._open:
            return
        if len(self._queue) < QUEUE_LENGTH:
            # Looked up when it is called, since a property may raise.
            self._run(name, lambda: getattr(self._callbacks, name)(self._session, *records))
        else:
            metrics.CALLBACKS_DROPPED.labels(self._session.agent_id, name).inc()

    def _run(self, name: str, call: Callable[[], Awaitable[None]]) -> asyncio.Task[None]:
        """Queue a callback, and return the task that runs the queue."""
        self._queue.append((name, call))
        if self._worker is None:
            context = self._context.copy()
            self._worker = in_background(self._work(), "callbacks", of=self._session.id, context=context)
        return self._worker

    async def _work(self) -> None:
        try:
            while self._queue:
                name, call = self._queue.popleft()
                await run_callback(self._session.agent_id, name, call, self._timeout_s)
        finally:
            self._worker = None
            self.on_idle()


def _ignored() -> None:
    """The default of `CallbackRunner.on_idle`."""


async def run_callback(agent_id: str, name: str, call: Callable[[], Awaitable[None]], timeout_s: float) -> None:
    """Run one callback. An exception is logged and counted under the agent's id, and not raised."""
    try:
        await isolated(partial(attributed_to, agent_id, call), name=f"{name}-{agent_id}", timeout_s=timeout_s)
    except Exception as error:
        metrics.CALLBACK_ERRORS.labels(agent_id, name).inc()
        log.warning("callback_failed", agent_id=agent_id, callback=name, exc_info=error)
