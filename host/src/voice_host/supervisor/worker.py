"""One worker process, as the front sees it."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from typing import Any, Literal, Protocol

from voice_host.admission import Lease
from voice_host.admission.rates import TokenBucket
from voice_host.fleet.report import AgentReport, WorkerReport
from voice_host.observability.figures import WorkerFigures
from voice_host.observability.logs import get_logger
from voice_host.plugins import Phase
from voice_host.releases.release import PRODUCTION
from voice_host.sessions import checkpoint as sessions
from voice_host.settings import AgentSettings
from voice_host.supervisor.call_table import CallTable
from voice_host.supervisor.crash_stack import CrashStack
from voice_host.supervisor.output import LineLimit, WorkerOutput
from voice_host.supervisor.spawn import WorkerProcess, describe_exit
from voice_host.supervisor.vitals import vitals
from voice_host.supervisor.watch import Ending, watch
from voice_host.tasks import in_background
from voice_host.workers.channel import ENDED, MAX_QUEUED_BYTES, Channel
from voice_host.workers.messages import (
    DEPLOY_AGAIN,
    OTHER_VERSION,
    PROTOCOL,
    TO_FRONT,
    Beat,
    CallOver,
    Checkpoint,
    Closed,
    Connected,
    ControlCall,
    Drain,
    EndLost,
    Figures,
    Hurry,
    Observed,
    Order,
    Ping,
    Reported,
    Retire,
    Revoke,
    SessionOver,
    Started,
    ToFront,
)

log = get_logger(__name__)

ABORT_S = 1.0
"""How long a worker may take to write its stack trace. It takes a few milliseconds, more with hundreds of threads."""

MESSAGES_PER_S = 2000.0
MESSAGES_BURST = 20_000
"""Most messages of a worker. A call sends one or two a second. Each takes the front about 20 us."""

BYTES_PER_S = 16.0 * 1024 * 1024
BYTES_BURST = 128 * 1024 * 1024
"""Most bytes of checkpoints. A call sends up to some 100 KB after each turn."""

LAST_MESSAGES_S = 1.0
"""How long the messages of a worker that has ended are read. They are there already, on a machine that is not busy."""


class WorkerEvents(Protocol):
    """Is told what workers report. Its methods return at once."""

    def session_connected(self, worker: Worker, lease: Lease, digest: str | None) -> None:
        """A call has got its session, and a new resume token with this digest; None: it has none."""

    def checkpoint(self, worker: Worker, session_id: str, checkpoint: sessions.Checkpoint | None) -> None:
        """What has changed in a session; None: it cannot be restored any more."""

    def session_over(self, worker: Worker, session_id: str) -> None:
        """A session has ended."""

    def observed(self, worker: Worker, message: Observed) -> None:
        """An event for the observers of extensions."""

    def changed(self, worker: Worker) -> None:
        """The worker's status, report or number of calls has changed."""

    def ended(self, worker: Worker, ending: Ending) -> None:
        """The process has ended, and its calls are lost."""


class Worker:
    """A worker process. Created once its process runs; `started` tells the outcome.

    Args:
        order: what it is for.
        process: the process.
        events: is told what it reports.
        figures: what it counts.
        limit: of its agent's log lines.
        own: its agent's settings, with the limits of the process.
        leave_timeout_s: how long it may stay when nothing keeps it.

    Attributes:
        order, process: see above.
        memory_bytes: memory that it shares with no other process, as of the last `measured`.
        status: `starting`, `ready`, `retiring`, or `ended`.
        report: of its agent, once it has started.
        table: its calls and sessions.
    """

    def __init__(
        self,
        order: Order,
        process: WorkerProcess,
        events: WorkerEvents,
        figures: WorkerFigures,
        limit: LineLimit,
        own: AgentSettings,
        leave_timeout_s: float,
    ) -> None:
        self.order = order
        self.process = process
        self.status: Literal["starting", "ready", "retiring", "ended"] = "starting"
        self.report: AgentReport | None = None
        self.memory_bytes = 0
        self._cpu_s = 0.0
        self._events = events
        self._figures = figures
        self._loop = asyncio.get_running_loop()
        self._began_s = self._loop.time()
        self._started: asyncio.Future[AgentReport] = self._loop.create_future()
        self._channel_ended = asyncio.Event()
        self._messages = TokenBucket(MESSAGES_PER_S, MESSAGES_BURST, self._loop.time)
        self._bytes = TokenBucket(BYTES_PER_S, BYTES_BURST, self._loop.time)
        self._pinged = self._beat = 0
        self._ending: Ending | None = None
        self._channel: Channel[ToFront] = Channel(process.ends.channel, TO_FRONT, self._receive, self._channel_lost)
        self.table = CallTable(self, events, self._channel)
        self._crash = CrashStack(order.release.entry_point)
        self._output = WorkerOutput(process.ends.stdout, process.ends.stderr, self.log_fields, limit, self._crash.take)
        watching = watch(self, own, leave_timeout_s)
        in_background(self._live(watching), "worker", of=f"{order.release.agent_id}-{process.pid}")
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
        return self.status in ("ready", "retiring") and not self._channel_ended.is_set() and self._reads

    @property
    def _reads(self) -> bool:
        return self._channel.queued_bytes < MAX_QUEUED_BYTES // 2

    def worker_report(self) -> WorkerReport:
        """Return its report."""
        return WorkerReport(
            number=self.order.number,
            alias=self.order.alias,
            pid=self.process.pid,
            status="retiring" if self.status == "ended" else self.status,
            calls=len(self.table.calls),
            parked=self.table.parked,
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
            error = f"it did not start within {timeout_s:.0f} s"
            self.end(Ending("start", error), with_stack=True)
            await self.process.exited
            self._output.finish()
            return self._broken(error, "see what it does on import", self._crash.where)

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

    def end_lost(self, state: bytes, age_s: float) -> None:
        """Let it end a session of a lost worker whose caller did not come back."""
        self._channel.send(EndLost(state_age_s=age_s), state)

    def revoke(self, key_ids: tuple[str, ...]) -> None:
        """Let it end the sessions that were started with these API keys."""
        self._channel.send(Revoke(key_ids=key_ids))

    def kill(self) -> None:
        """End it at once, with all processes that it has started."""
        self.process.kill_group()

    def end(self, ending: Ending, *, with_stack: bool = False) -> None:
        """End it, with all processes that it has started.

        Args:
            ending: why. If it is being ended already, that reason stays.
            with_stack: let it write a stack trace first, which works even while its code holds the GIL.
        """
        if self._ending is None:
            self._ending = ending
        if with_stack:
            self.process.signal(signal.SIGABRT)
            self._loop.call_later(ABORT_S, self.process.kill_if_running)
        else:
            self.kill()

    # --- what watches it --------------------------------------------------------------------------------------------

    @property
    def pid(self) -> int:
        """The id of its process."""
        return self.process.pid

    @property
    def answers(self) -> bool | None:
        """Whether it has answered the last ping and reads; None: it owes no answer, since it is still starting."""
        return None if self.status == "starting" else self._beat == self._pinged and self._reads

    @property
    def should_have_left(self) -> bool:
        """Whether nothing keeps it: it is broken, retires without sessions, or has closed its end of the channel."""
        broken = self.status == "starting" and self._started.done()
        done = self.status == "retiring" and not self.table.calls and not self.table.sessions
        return broken or done or self._channel_ended.is_set()

    def ping(self) -> None:
        """Ask it for an answer."""
        if self._channel.send(Ping(number=self._pinged + 1)):
            self._pinged += 1

    # --- what it reports --------------------------------------------------------------------------------------------

    def _receive(self, message: ToFront, payload: bytes, _: Sequence[int]) -> None:
        if not (self._messages.take() and self._bytes.take(len(payload))):
            self.end(Ending("channel", "it sent too much to the host"))
            self._channel.close()
            self._channel_ended.set()
            return
        match message:
            case Started(report=report, protocol=protocol):
                if protocol != PROTOCOL:
                    versions = f"its messages are version {protocol}, those of this host {PROTOCOL}"
                    report = self._broken(f"{OTHER_VERSION}: {versions}", DEPLOY_AGAIN)
                self._set_started(report)
            case Reported(report=report):
                self.report = report.model_copy(update={"id": self.agent_id})
                self._events.changed(self)
            case Connected() | Closed() | CallOver() | ControlCall() | Checkpoint() | SessionOver():
                self.table.receive(message, payload)
            case Observed():
                self._events.observed(self, message)
            case Figures(samples=samples):
                self._figures.update(samples)
                if (found := vitals(self.process.pid)) is not None:
                    self.measured(found.cpu_s)
            case Beat(number=number):
                self._beat = number

    def _set_started(self, report: AgentReport) -> None:
        if self._started.done():
            return
        self.report = report.model_copy(update={"id": self.agent_id})
        if self.status == "starting" and report.status == "ready":
            self.status = "ready"
        self._started.set_result(self.report)
        self._events.changed(self)

    def _channel_lost(self, reason: str) -> None:
        """It closes the channel when it leaves. If it has sent something invalid, it is ended."""
        self._channel_ended.set()
        if reason != ENDED:
            self.end(Ending("channel", f"it sent something invalid to the host: {reason}"))

    async def _live(self, watching: Coroutine[Any, Any, None]) -> None:
        """Watch it until its process has ended."""
        watch = in_background(watching, "worker-watch", of=str(self.pid))
        try:
            code = await self.process.exited
        finally:
            watch.cancel()
        self.process.kill_group()  # what it has started and left behind
        with suppress(TimeoutError):  # read what it has sent before
            async with asyncio.timeout(LAST_MESSAGES_S):
                await self._channel_ended.wait()
        self._channel.close()
        self._output.finish()
        self._figures.leave()
        self.status = "ended"
        ending = self._ending or Ending("exit" if code >= 0 else "signal", f"it ended with {describe_exit(code)}")
        self._set_started(self._broken(f"{ending.words} while it started", None, self._crash.where))
        self._events.ended(self, ending._replace(where=self._crash.where))
        self.table.lost()

    def _broken(self, error: str, hint: str | None, where: str | None = None) -> AgentReport:
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
            where=where,
        )
