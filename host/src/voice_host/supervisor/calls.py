"""Calls: which worker gets one, and what its caller is told if that worker is lost."""

from __future__ import annotations

import asyncio
from typing import Protocol

from voice_host.admission import Lease
from voice_host.call.events import Refused
from voice_host.clients.call_control import CallAnswers, CallControl
from voice_host.clients.choice import protocol_of
from voice_host.clients.close_codes import CloseCode
from voice_host.clients.protocol import Opening
from voice_host.clients.transport import CannotHandOver, ConnectionLost
from voice_host.clients.transport.connection import ClientConnection
from voice_host.observability.logs import get_logger
from voice_host.sessions.refusals import report_refusal
from voice_host.supervisor.call_table import NO_STATE, IncomingCall
from voice_host.supervisor.caller_socket import Answered, CallerSocket
from voice_host.supervisor.group import Group
from voice_host.supervisor.sessions import Entry, SessionTable
from voice_host.supervisor.worker import Worker
from voice_host_sdk import CallAnswer

log = get_logger(__name__)

RESTART_WAIT_S = 10.0
"""How long a call waits for a worker while workers are started again. Clients wait for 20 s for an answer and more."""

MAX_HANDOVERS = 2
"""How many workers a call is given to. One that ends each worker before it is answered must not end all of them."""

RESTARTING = "the agent is being restarted: call again in a moment"


class Fleet(Protocol):
    """The workers that there are."""

    @property
    def serves(self) -> bool:
        """Whether calls are taken."""

    @property
    def table(self) -> SessionTable:
        """The sessions of all workers."""

    def is_broken(self, agent_id: str) -> bool:
        """Whether an agent takes no calls until somebody restarts it."""

    def group_for(self, lease: Lease, home: tuple[str, str] | None = None) -> Group | None:
        """Return the group that answers new calls of a lease, or restores a session of a release and alias."""


class WorkerCalls:
    """Gives calls to workers. Belongs to one event loop.

    Args:
        fleet: the workers.
    """

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._news = asyncio.Event()  # replaced when it is set
        self._answers: dict[str, CallAnswers] = {}  # of the calls given to `take`, by session id

    def workers_changed(self) -> None:
        """Workers have become ready, or none will: calls that wait look again."""
        news, self._news = self._news, asyncio.Event()
        news.set()

    async def take(
        self, connection: ClientConnection, lease: Lease, opening: Opening, control: CallControl | None = None
    ) -> None:
        """Run a call: see `AgentService`."""
        answers = self._answers[lease.session_id] = CallAnswers()
        try:
            await self._take(connection, lease, opening, control, answers)
        finally:
            if self._answers[lease.session_id] is answers:  # else a newer connection has taken the session over
                del self._answers[lease.session_id]

    def answered(self, session_id: str, answer: CallAnswer) -> None:
        """Tell the agent of a call who has answered it: see `AgentService.call_answered`."""
        if (answers := self._answers.get(session_id)) is not None:
            answers.put(answer)

    async def _take(
        self,
        connection: ClientConnection,
        lease: Lease,
        opening: Opening,
        control: CallControl | None,
        answers: CallAnswers,
    ) -> None:
        resumes = opening.resume_token is not None
        worker = await self._worker_in_time(lease, resumes)
        if worker is None:
            await _refuse(connection, lease, CloseCode.COME_BACK, RESTARTING)
            return
        try:
            accepted = connection.hand_over()
        except ConnectionLost:
            return
        except CannotHandOver as error:
            log.error("call_not_handed_over", agent_id=lease.agent_id, error=str(error))
            await _refuse(connection, lease, CloseCode.INTERNAL_ERROR, "the server cannot take this call")
            return
        caller = CallerSocket(accepted.socket, accepted.request, connection.subprotocol)
        try:
            incoming = IncomingCall(
                accepted, caller, lease, opening, connection.choice, control, answers, connection.on_closed
            )
            connection.close_code = await self._serve(incoming, worker)
        finally:
            caller.let_go()

    async def _serve(self, incoming: IncomingCall, worker: Worker | None) -> CloseCode | None:
        """Let a worker serve a call. If it is lost before it has answered, another one gets the call.

        Returns `ClientConnection.close_code`.
        """
        caller, lease, opening = incoming.caller, incoming.lease, incoming.opening
        for _ in range(MAX_HANDOVERS):
            if worker is None:
                break
            try:
                state = self._state_for(lease, opening, worker)
                call = worker.table.take(incoming, state)
            except OSError as error:
                log.error("call_not_handed_over", agent_id=lease.agent_id, error=str(error))
                break
            if call is not None:
                if await call.over:
                    return call.close_code
                if caller.answered is not Answered.NOTHING:
                    break
            worker = await self._worker_in_time(lease, opening.resume_token is not None)
        code, reason = self._farewell(lease, caller)
        log.warning("call_interrupted", agent_id=lease.agent_id, session_id=lease.session_id, code=int(code))
        # The worker's own protocol object is lost, but this event depends on nothing that was said before.
        await caller.refuse(code, reason, protocol_of(incoming.choice).tell(Refused(code, reason)))
        return code

    def end_lost(self, entry: Entry) -> None:
        """Let a worker end a session of a lost one whose caller did not come back, for its last callback."""
        group = self._fleet.group_for(entry.lease, entry.home)
        worker = None if group is None else group.least_loaded()
        if worker is None or entry.state is None:
            log.warning("lost_session_not_ended", agent_id=entry.lease.agent_id, reason="no worker takes calls")
        else:
            worker.end_lost(entry.state.to_bytes(), self._fleet.table.age_s(entry))

    def _state_for(self, lease: Lease, opening: Opening, worker: Worker) -> tuple[bytes, float]:
        """Return the state from which a worker restores the session of a call, and its age; empty: it need not."""
        entry = self._fleet.table.get(lease.session_id) if opening.resume_token is not None else None
        return NO_STATE if entry is None else self._fleet.table.restore(entry, worker)

    def _farewell(self, lease: Lease, caller: CallerSocket) -> tuple[CloseCode, str]:
        """Return what to tell a caller whose worker was lost."""
        if not self._fleet.serves:
            return CloseCode.DRAINING, "the server is shutting down"
        if self._fleet.is_broken(lease.agent_id):
            return CloseCode.INTERNAL_ERROR, "the agent has failed, and the call is lost"
        if caller.answered is Answered.NOTHING:
            return CloseCode.COME_BACK, RESTARTING
        if self._fleet.table.get(lease.session_id) is not None:
            return CloseCode.COME_BACK, "the agent has failed: connect again to go on"
        return CloseCode.INTERNAL_ERROR, "the agent has failed, and the call is lost"

    async def _worker_in_time(self, lease: Lease, resumes: bool) -> Worker | None:
        """Return the worker for a call. While workers are started again, wait for one, `RESTART_WAIT_S` at most."""
        worker, may_come = self._worker_now(lease, resumes)
        if not may_come:  # nearly always, and a timeout would cost each call some CPU
            return worker
        try:
            async with asyncio.timeout(RESTART_WAIT_S):
                while may_come:
                    await self._news.wait()
                    worker, may_come = self._worker_now(lease, resumes)
                return worker
        except TimeoutError:
            return None

    def _worker_now(self, lease: Lease, resumes: bool) -> tuple[Worker | None, bool]:
        """Return the worker that takes a call now, if there is one, and otherwise whether one may take it soon."""
        entry = self._fleet.table.get(lease.session_id) if resumes else None
        worker = self._worker_for(lease, entry)
        return worker, worker is None and self._is_restarting(lease, entry)

    def _is_restarting(self, lease: Lease, entry: Entry | None) -> bool:
        """Whether a call that no worker takes now may be taken soon."""
        if not self._fleet.serves:
            return False
        if entry is not None and entry.worker is not None:
            return True  # its end has not been noted yet
        group = self._fleet.group_for(lease, None if entry is None else entry.home)
        return group is not None and bool(group.restarting)

    def _worker_for(self, lease: Lease, entry: Entry | None) -> Worker | None:
        """Return the worker that has a session, or the one that begins or restores it; None: none takes calls."""
        if entry is not None and (holder := entry.holder) is not None:
            return holder if holder.takes_calls else None
        group = self._fleet.group_for(lease, None if entry is None else entry.home)
        return None if group is None else group.least_loaded()


async def _refuse(connection: ClientConnection, lease: Lease, code: CloseCode, reason: str) -> None:
    """Accept a connection that no worker takes, and close it with a code, which a browser could not see otherwise."""
    report_refusal(lease.agent_id, code, reason, session_id=lease.session_id)
    await connection.accept()
    await connection.refuse(code, reason)
