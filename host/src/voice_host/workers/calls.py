"""The calls of a worker: takes them from the front, and ends them when the front says so."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from functools import partial

from voice_host.clients.close_codes import CloseCode
from voice_host.clients.protocol import Opening
from voice_host.clients.transport import HandedOver
from voice_host.clients.transport.adopted import SocketAdopter
from voice_host.clients.transport.asgi import AsgiWebSocket
from voice_host.clients.transport.connection import ClientConnection
from voice_host.clients.transport.stream_position import StreamPosition
from voice_host.fleet.local import LocalAgents
from voice_host.fleet.report import AgentReport
from voice_host.observability.figures import ChangedSamples
from voice_host.observability.logs import get_logger
from voice_host.sessions.manager import VoiceAgentManager
from voice_host.sessions.saved_session import SavedSession, end_lost
from voice_host.sessions.sweeper import Sweeper
from voice_host.settings import Settings
from voice_host.tasks import in_background, report_unhandled
from voice_host.tenancy import AgentThreads, CodeOwners, watching
from voice_host.tenancy.garbage import spare_calls_from_full_collections
from voice_host.workers.call_control import FrontRequests
from voice_host.workers.channel import ENDED
from voice_host.workers.ending import end_process
from voice_host.workers.link import Link
from voice_host.workers.messages import (
    Beat,
    CallAnswered,
    CallOver,
    Closed,
    ControlResult,
    Drain,
    EndLost,
    Figures,
    Hurry,
    Order,
    Ping,
    Reported,
    Retire,
    Revoke,
    Started,
    TakeCall,
    ToWorker,
)

log = get_logger(__name__)

FIGURES_EVERY_S = 5.0
"""How often metrics that have changed are sent to the front."""


class WorkerCalls:
    """Starts the agent of this process, and runs its calls until the front lets it go.

    Args:
        order: what the worker is for.
        settings: of this agent alone.
        agents: the agent, loaded.
        link: to the front.
    """

    def __init__(self, order: Order, settings: Settings, agents: LocalAgents, link: Link) -> None:
        self._agent_id = order.release.agent_id
        self._settings = settings
        self._agents = agents
        self._link = link
        self._requests = FrontRequests(link.send)
        self._leave = asyncio.Event()
        self._figures = ChangedSamples()
        self._retiring = False
        self._draining: asyncio.Task[None] | None = None
        self._reported: AgentReport | None = None
        limits = settings.limits
        self._adopter = SocketAdopter(
            ws_max_size=limits.max_frame_bytes,
            ws_ping_interval=limits.ping_interval_s,
            ws_ping_timeout=limits.ping_timeout_s,
        )

    async def run(self) -> None:
        """Start the agent, tell the front the outcome, and take calls until they are over and the front is done."""
        loop = asyncio.get_running_loop()
        loop.set_default_executor(AgentThreads())
        loop.set_exception_handler(report_unhandled)
        self._link.open(self._receive, self._front_lost)
        self._link.on_ended = self._leave_if_done
        figures = Sweeper("figures", FIGURES_EVERY_S, self._sweep_figures)
        figures.start()
        try:
            await self._agents.start()
            report = self._reported = self._agents.report.agents[self._agent_id]
            self._link.send(Started(report=report))
            if report.status == "ready":
                spare_calls_from_full_collections()
                owners = CodeOwners({self._agent_id: report.entry_point or ""})
                async with watching(owners, self._settings.server.loop_blocked_ms, lambda: bool(self._link.calls)):
                    await self._leave.wait()
        finally:
            await self._agents.stop()
            await self._adopter.aclose()
            await figures.stop()
            self._send_figures()
            await self._link.aclose()

    async def _sweep_figures(self) -> None:
        self._send_figures()

    def _send_figures(self) -> None:
        self._figures.send(lambda samples: self._link.send(Figures(samples=tuple(samples))))

    # --- what the front says ----------------------------------------------------------------------------------------

    def _receive(self, message: ToWorker, payload: bytes, descriptors: Sequence[int]) -> None:
        match message:
            case TakeCall():
                client, position = descriptors
                state, request = payload[: message.state_bytes], payload[message.state_bytes :]
                accepted = HandedOver(
                    socket.socket(fileno=client), request, message.client, message.scheme, StreamPosition(position)
                )
                saved = SavedSession(state, message.state_age_s) if state else None
                session_id = message.lease.session_id
                self._link.calls[session_id] = message.call  # at once, since a `Retire` may follow
                in_background(self._take(message, accepted, saved), "take-call", of=session_id)
            case Retire():
                self._retiring = True
                self._leave_if_done()
            case Drain(timeout_s=timeout_s):
                self._drain(timeout_s)
            case Hurry():
                self._agents.hurry()
            case Revoke(key_ids=key_ids):
                self._agents.revoke(key_ids)
            case EndLost(state_age_s=age_s):
                if (manager := self._manager) is not None:
                    in_background(end_lost(manager, SavedSession(payload, age_s)), "end-lost", of=self._agent_id)
            case ControlResult():
                self._requests.receive(message)
            case CallAnswered(session_id=session_id, answer=answer):
                self._agents.call_answered(session_id, answer)
            case Ping(number=number):
                manager = self._manager
                calls, parked = (0, 0) if manager is None else (manager.connected_calls, manager.parked_sessions)
                self._link.send(Beat(number=number, calls=calls, parked=parked))
            case _:
                log.warning("unexpected_message", kind=message.kind)

    def _front_lost(self, reason: str) -> None:
        if reason != ENDED:  # the front is there, but the agent has used up the descriptors: calls go on elsewhere
            log.error("worker_failed", error=f"it cannot read what the host sends: {reason}")
            end_process(1)
        self._requests.front_lost()
        log.warning("front_lost", reason=reason, calls=self._agents.connected)
        self._drain(self._settings.server.drain_timeout_s)

    def _drain(self, timeout_s: float) -> None:
        if self._draining is None:
            self._draining = in_background(self._drained(timeout_s), "drain")

    async def _drained(self, timeout_s: float) -> None:
        try:
            await self._agents.drain(timeout_s)
        finally:
            self._leave.set()

    def _leave_if_done(self) -> None:
        """Leave after `Retire` once no session is left, neither connected nor parked."""
        manager = self._manager
        if self._retiring and not self._link.calls and (manager is None or not manager.sessions()):
            self._leave.set()

    @property
    def _manager(self) -> VoiceAgentManager | None:
        try:
            return self._agents.manager(self._agent_id)
        except KeyError:
            return None

    def _report(self) -> None:
        """Tell the front if the agent's report has changed: some problems only show in calls."""
        report = self._agents.report.agents[self._agent_id]
        if report != self._reported:
            self._reported = report
            self._link.send(Reported(report=report))

    # --- calls ------------------------------------------------------------------------------------------------------

    async def _take(self, message: TakeCall, accepted: HandedOver, saved: SavedSession | None) -> None:
        try:
            began = await self._adopter.adopt(accepted, partial(self._serve, message, saved))
        except OSError:  # the client is gone
            accepted.socket.close()
            began = False
        if not began:
            self._over(message)

    async def _serve(self, message: TakeCall, saved: SavedSession | None, transport: AsgiWebSocket) -> None:
        client = ClientConnection(transport, message.protocol, send_timeout_s=self._settings.limits.send_timeout_s)
        client.on_closed = partial(self._closed, message.call)
        control = self._requests.control(message.call) if message.controlled else None
        opening = Opening(message.metadata, channel=message.channel)
        try:
            await self._agents.take(client, message.lease, opening, control, saved)
        finally:
            self._over(message, client.close_code)

    def _closed(self, call: int, close_code: CloseCode | None) -> None:
        self._link.send(Closed(call=call, close_code=close_code))

    def _over(self, message: TakeCall, close_code: CloseCode | None = None) -> None:
        session_id = message.lease.session_id
        if self._link.calls.get(session_id) == message.call:
            del self._link.calls[session_id]
        session = None if self._manager is None else self._manager.session(session_id)
        parked = session is not None and session.parked_at is not None
        self._link.send(CallOver(call=message.call, parked=parked, close_code=close_code))
        self._report()
        self._leave_if_done()
