"""Runs the callbacks of one session: in order, beside the call, each under a time limit."""

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
from voice_host.tenancy import acting_for, isolated
from voice_host_sdk import (
    AgentReply,
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
"""Callbacks waiting in one session. Further ones are dropped and counted; the call never waits."""


class EventSink(Protocol):
    """Who else is told of what an agent's callbacks are told."""

    def tell(self, event: str, session: ObservedSession, *records: object) -> None:
        """Take an event. Returns at once."""


class CallbackRunner:
    """The callbacks of one session. Used by the manager, which begins and ends it.

    There is a task only while there is something to run: a session that waits for its caller costs none.

    Args:
        callbacks: the agent's.
        session: whose events these are.
        observers: the platform's, told at once; they never wait for the agent's callbacks.
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
        self._observed = ObservedSession(session.agent_id, session.id, session.caller)
        self._timeout_s = timeout_s
        self._open = False
        self._queue: deque[tuple[str, Callable[[], Awaitable[None]]]] = deque()
        self._worker: asyncio.Task[None] | None = None
        # Callbacks run for the session, not for the turn or the tool that happens to cause the first of them.
        self._context = copy_context()

    def created(self) -> None:
        """Begin: `on_session_created` is the first of all."""
        self._open = True
        self._report("on_session_created")

    def restored(self) -> None:
        """Begin for a session that began elsewhere: `on_session_created` ran there."""
        self._open = True

    def user_turn(self, turn: UserTurn) -> None:
        self._report("on_user_turn", turn)

    def agent_reply(self, reply: AgentReply) -> None:
        self._report("on_agent_reply", reply)

    def tool_call(self, call: ToolCall) -> None:
        self._report("on_tool_call", call)

    def error(self, error: SessionError) -> None:
        self._report("on_error", error)

    async def destroyed(self, end: SessionEnd) -> None:
        """Finish: let what is queued run, then `on_session_destroyed`."""
        if not self._open:
            return
        self._observers.tell("on_session_destroyed", self._observed, end)
        await self.close()
        last = self._run("on_session_destroyed", lambda: self._callbacks.on_session_destroyed(self._session, end))
        await asyncio.wait([last])

    async def close(self) -> None:
        """Let what is queued run, without an end of the session: it goes on elsewhere."""
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
        self._observers.tell(name, self._observed, *records)
        if len(self._queue) < QUEUE_LENGTH:
            # Looked up where it is called: a property may raise, too.
            self._run(name, lambda: getattr(self._callbacks, name)(self._session, *records))
        else:
            metrics.CALLBACKS_DROPPED.labels(self._session.agent_id, name).inc()

    def _run(self, name: str, call: Callable[[], Awaitable[None]]) -> asyncio.Task[None]:
        """Run one more, after those that wait. Returns the task that does it."""
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


async def run_callback(agent_id: str, name: str, call: Callable[[], Awaitable[None]], timeout_s: float) -> None:
    """Run one callback; what it raises is logged under the agent's id and counted, and goes no further."""
    try:
        await isolated(partial(acting_for, agent_id, call), name=f"{name}-{agent_id}", timeout_s=timeout_s)
    except Exception as error:
        metrics.CALLBACK_ERRORS.labels(agent_id, name).inc()
        log.warning("callback_failed", agent_id=agent_id, callback=name, exc_info=error)
