"""One worker process, as the front sees it."""

from __future__ import annotations

import asyncio
import itertools
import signal
import socket
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from voice_host.admission import Lease
from voice_host.clients.transport import HandedOver
from voice_host.fleet.report import AgentReport, WorkerReport
from voice_host.observability.figures import WorkerFigures
from voice_host.observability.logs import get_logger
from voice_host.plugins import Phase
from voice_host.releases.release import PRODUCTION
from voice_host.supervisor.output import LineLimit, WorkerOutput
from voice_host.supervisor.spawn import WorkerProcess
from voice_host.supervisor.vitals import vitals
from voice_host.tasks import in_background
from voice_host.workers.channel import MAX_QUEUED_BYTES, Channel
from voice_host.workers.messages import (
    PROTOCOL,
    TO_FRONT,
    Beat,
    CallOver,
    Checkpoint,
    Connected,
    Drain,
    Figures,
    Hurry,
    Observed,
    Order,
    Reported,
    Retire,
    Revoke,
    SessionOver,
    Started,
    TakeCall,
    ToFront,
)

log = get_logger(__name__)

LAST_MESSAGES_S = 1.0
"""How long the messages of a worker that has ended are read. They are there already, on a machine that is not busy."""

_NO_STATE = (b"", 0.0)


class WorkerEvents(Protocol):
    """Is told what workers report. Its methods return at once."""

    def session_connected(self, worker: Worker, lease: Lease, digest: str | None) -> None:
        """A call has got its session, and a new resume token with this digest; None: it has none."""

    def checkpoint(self, worker: Worker, session_id: str, state: bytes) -> None:
        """The newest `ResumeState` of a session."""

    def session_over(self, worker: Worker, session_id: str) -> None:
        """A session has ended."""

    def observed(self, worker: Worker, message: Observed) -> None:
        """An event for the observers of extensions."""

    def changed(self, worker: Worker) -> None:
        """The worker's status, report or number of calls has changed."""

    def ended(self, worker: Worker, code: int) -> None:
        """The process has ended, with this exit code; negative: the number of a signal. Its calls are lost."""


@dataclass(eq=False, slots=True)
class Call:
    """A call that a worker has.

    Attributes:
        number: among the calls of its worker.
        lease: the admission.
        socket: a duplicate of the client's socket, with which the front can tell the client if the worker is lost.
        over: done when the call is over; False: the worker was lost before.
    """

    number: int
    lease: Lease
    socket: socket.socket
    over: asyncio.Future[bool] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class Worker:
    """A worker process. Created once its process runs; `started` tells the outcome.

    Args:
        order: what it is for.
        process: the process.
        events: is told what it reports.
        figures: what it counts.
        limit: of its agent's log lines.

    Attributes:
        order, process: see above.
        memory_bytes: memory that it shares with no other process, as of the last `measured`.
        status: `starting`, `ready`, `retiring`, or `ended`.
        report: of its agent, once it has started.
        calls: by number.
        sessions: ids of the sessions that it has, connected or parked.
    """

    def __init__(
        self, order: Order, process: WorkerProcess, events: WorkerEvents, figures: WorkerFigures, limit: LineLimit
    ) -> None:
        self.order = order
        self.process = process
        self.status: Literal["starting", "ready", "retiring", "ended"] = "starting"
        self.report: AgentReport | None = None
        self.calls: dict[int, Call] = {}
        self.sessions: set[str] = set()
        self.memory_bytes = 0
        self._cpu_s = 0.0
        self._events = events
        self._figures = figures
        self._numbers = itertools.count(1)
        self._loop = asyncio.get_running_loop()
        self._began_s = self._loop.time()
        self._started: asyncio.Future[AgentReport] = self._loop.create_future()
        self._channel_ended = asyncio.Event()
        self._channel: Channel[ToFront] = Channel(process.ends.channel, TO_FRONT, self._receive, self._channel_lost)
        self._output = WorkerOutput(process.ends.stdout, process.ends.stderr, self.log_fields, limit)
        in_background(self._watch_exit(), "worker-exit", of=f"{order.release.agent_id}-{process.pid}")
        self._channel.send(order)

    @property
    def agent_id(self) -> str:
        """The id of its agent."""
        return self.order.release.agent_id

    @property
    def log_fields(self) -> dict[str, str | int]:
        """The fields of log lines about it."""
        order = self.order
        fields: dict[str, str | int] = {
            "agent_id": self.agent_id,
            "release": order.release.name,
            "worker": order.number,
        }
        return fields if order.alias == PRODUCTION else {**fields, "alias": order.alias}

    @property
    def takes_calls(self) -> bool:
        """Whether it can be given a call: it is ready, or retiring and has the call's session, and it reads."""
        return self.status in ("ready", "retiring") and self._channel.queued_bytes < MAX_QUEUED_BYTES // 2

    def worker_report(self) -> WorkerReport:
        """Return its report."""
        return WorkerReport(
            number=self.order.number,
            alias=self.order.alias,
            pid=self.process.pid,
            status="retiring" if self.status == "ended" else self.status,
            calls=len(self.calls),
            parked=len(self.sessions - {call.lease.session_id for call in self.calls.values()}),
            memory_bytes=self.memory_bytes,
            cpu_s=self._cpu_s,
            up_s=round(self._loop.time() - self._began_s, 1),
        )

    def measured(self, cpu_s: float, memory_bytes: int | None = None) -> None:
        """Note its CPU time, and its memory if that was measured, too."""
        self._cpu_s = cpu_s
        self._figures.measured(cpu_s)
        if memory_bytes is not None:
            self.memory_bytes = memory_bytes

    async def started(self, timeout_s: float) -> AgentReport:
        """Wait until its agent has started, and return the report: `ready`, or broken, and then the process ends."""
        try:
            async with asyncio.timeout(timeout_s):
                return await asyncio.shield(self._started)
        except TimeoutError:
            self.kill()
            return self._broken(f"it did not start within {timeout_s:.0f} s", "see what it does on import")

    # --- calls ------------------------------------------------------------------------------------------------------

    def take(
        self,
        accepted: HandedOver,
        lease: Lease,
        metadata: Mapping[str, Any],
        state: tuple[bytes, float] = _NO_STATE,
    ) -> Call | None:
        """Give it a call. Returns None if it is gone, or does not read: then nothing was done.

        Args:
            accepted: the client's connection. Its socket stays with the front, as `Call.socket`.
            lease: the admission.
            metadata: of the call token.
            state: the `ResumeState` to restore the session from, and its age in seconds; empty: none.
        """
        number = next(self._numbers)
        data, age_s = state
        message = TakeCall(
            call=number,
            client=accepted.client,
            scheme=accepted.scheme,
            lease=lease,
            metadata=metadata,
            state_bytes=len(data),
            state_age_s=age_s,
        )
        if not self._channel.send(message, data + accepted.request, descriptor=accepted.socket.fileno()):
            return None
        call = self.calls[number] = Call(number, lease, accepted.socket)
        self.sessions.add(lease.session_id)
        self._events.changed(self)
        return call

    def _end_call(self, call: Call, *, over: bool) -> None:
        if not call.over.done():
            call.over.set_result(over)

    # --- what the front wants ---------------------------------------------------------------------------------------

    def retire(self) -> None:
        """Let it end with its last session. It begins no new ones."""
        if self.status == "ready":
            self.status = "retiring"
            self._channel.send(Retire())
            self._events.changed(self)

    def drain(self, timeout_s: float) -> None:
        """Let it end its calls within `timeout_s`, and leave."""
        self._channel.send(Drain(timeout_s=timeout_s))

    def hurry(self) -> None:
        """Let it end the calls of a drain now."""
        self._channel.send(Hurry())

    def revoke(self, key_ids: tuple[str, ...]) -> None:
        """Let it end the sessions that were started with these API keys."""
        self._channel.send(Revoke(key_ids=key_ids))

    def kill(self) -> None:
        """End it at once, with all processes that it has started."""
        self.process.kill_group()

    # --- what it reports --------------------------------------------------------------------------------------------

    def _receive(self, message: ToFront, payload: bytes, _: int | None) -> None:
        match message:
            case Started(report=report, protocol=protocol):
                if protocol != PROTOCOL:
                    report = self._broken("its environment has another version of voice-host", "deploy it again")
                self._set_started(report)
            case Reported(report=report):
                self.report = report
                self._events.changed(self)
            case Connected(call=number, token_digest=digest):
                if (call := self.calls.get(number)) is not None:
                    self._events.session_connected(self, call.lease, digest)
            case CallOver(call=number, parked=parked):
                if (call := self.calls.pop(number, None)) is not None:
                    self._end_call(call, over=True)
                    others = {other.lease.session_id for other in self.calls.values()}
                    if not parked and call.lease.session_id not in others:
                        self.sessions.discard(call.lease.session_id)
                    self._events.changed(self)
            case Checkpoint(session_id=session_id):
                if session_id in self.sessions:
                    self._events.checkpoint(self, session_id, payload)
            case SessionOver(session_id=session_id):
                if session_id in self.sessions:
                    self.sessions.discard(session_id)
                    self._events.session_over(self, session_id)
            case Observed():
                self._events.observed(self, message)
            case Figures(samples=samples):
                self._figures.update(samples)
                if (found := vitals(self.process.pid)) is not None:
                    self.measured(found.cpu_s)
            case Beat():
                pass

    def _set_started(self, report: AgentReport) -> None:
        if self._started.done():
            return
        self.report = report
        if self.status == "starting" and report.status == "ready":
            self.status = "ready"
        self._started.set_result(report)
        self._events.changed(self)

    def _channel_lost(self, reason: str) -> None:
        """It closes the channel when it leaves. If it has sent something invalid, it is ended."""
        self._channel_ended.set()
        if reason != "it has ended":
            log.error("worker_channel_invalid", **self.log_fields, reason=reason)
            self.kill()

    async def _watch_exit(self) -> None:
        code = await self.process.exited
        self.process.kill_group()  # what it has started and left behind
        with suppress(TimeoutError):  # read what it has sent before
            async with asyncio.timeout(LAST_MESSAGES_S):
                await self._channel_ended.wait()
        self._channel.close()
        self._output.finish()
        self._figures.leave()
        self.status = "ended"
        self._set_started(self._broken(f"its process ended with {describe_exit(code)} while it started", None))
        calls, self.calls = list(self.calls.values()), {}
        self._events.ended(self, code)
        for call in calls:
            self._end_call(call, over=False)

    def _broken(self, error: str, hint: str | None) -> AgentReport:
        release = self.order.release
        return AgentReport(
            id=release.agent_id,
            status="broken",
            title=release.agent_id,
            distribution=release.distribution or None,
            version=release.version or None,
            entry_point=release.entry_point,
            sdk_requirement=release.sdk_requirement,
            phase=Phase.IMPORTED,
            error=error,
            hint=hint,
        )


def describe_exit(code: int) -> str:
    """Return an exit code in words: `exit code 1`, or the name of the signal that ended the process."""
    if code >= 0:
        return f"exit code {code}"
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"
