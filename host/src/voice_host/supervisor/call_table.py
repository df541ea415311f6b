"""The calls and sessions of one worker, as the front knows them."""

from __future__ import annotations

import asyncio
import itertools
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from voice_host.admission import Lease
from voice_host.clients.call_control import CallAnswers, CallControl
from voice_host.clients.choice import ProtocolChoice
from voice_host.clients.close_codes import CloseCode
from voice_host.clients.protocol import Opening
from voice_host.clients.transport import HandedOver
from voice_host.sessions import checkpoint as sessions
from voice_host.supervisor.call_requests import CallRequests
from voice_host.supervisor.caller_socket import CallerSocket
from voice_host.workers.channel import Channel
from voice_host.workers.messages import (
    CallAnswered,
    CallOver,
    Checkpoint,
    Closed,
    Connected,
    ControlCall,
    SessionOver,
    TakeCall,
    ToFront,
)
from voice_host_sdk import CallAnswer

if TYPE_CHECKING:
    from voice_host.supervisor.worker import Worker, WorkerEvents

NO_STATE = (b"", 0.0)


@dataclass(frozen=True, slots=True)
class IncomingCall:
    """A call to be given to a worker.

    Attributes:
        accepted: the client's connection, which stays the caller's.
        caller: of that connection.
        lease: the admission.
        opening: what the front knows about the call.
        choice: the client's protocol.
        control: the carrier's side of a telephone call, used at the worker's request; None: it has none.
        answers: who answered, passed on once the call has got its session.
        on_closed: see `ClientConnection.on_closed`.
    """

    accepted: HandedOver
    caller: CallerSocket
    lease: Lease
    opening: Opening
    choice: ProtocolChoice
    control: CallControl | None = None
    answers: CallAnswers = field(default_factory=CallAnswers)
    on_closed: Callable[[CloseCode | None], None] | None = None


@dataclass(eq=False, slots=True)
class Call:
    """A call that a worker has.

    Attributes:
        number: among the calls of its worker.
        lease: the admission.
        caller: the caller's connection.
        control: the carrier's side of the call; None: it has none.
        over: done when the call is over; False: the worker was lost before.
        answers: who answered, passed on once the call has got its session.
        on_closed: called when the worker has closed the connection; None: nobody waits for that.
        close_code: with which the worker closed the connection.
    """

    number: int
    lease: Lease
    caller: CallerSocket
    control: CallControl | None = None
    over: asyncio.Future[bool] = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    answers: CallAnswers = field(default_factory=CallAnswers)
    on_closed: Callable[[CloseCode | None], None] | None = None
    close_code: CloseCode | None = None

    def end(self, *, over: bool) -> None:
        """Note that the call is over, or that its worker was lost."""
        if not self.over.done():
            self.over.set_result(over)


class CallTable:
    """The calls and sessions of one worker.

    Args:
        worker: the worker, for `events`.
        events: is told what the worker reports.
        channel: to the worker.

    Attributes:
        calls: by number.
        sessions: ids of the sessions that it has, connected or parked.
    """

    def __init__(self, worker: Worker, events: WorkerEvents, channel: Channel[ToFront]) -> None:
        self.calls: dict[int, Call] = {}
        self.sessions: set[str] = set()
        self._worker = worker
        self._events = events
        self._channel = channel
        self._numbers = itertools.count(1)
        self._requests = CallRequests(channel.send)

    @property
    def parked(self) -> int:
        """How many sessions have no call."""
        return len(self.sessions - {call.lease.session_id for call in self.calls.values()})

    def take(self, incoming: IncomingCall, state: tuple[bytes, float] = NO_STATE) -> Call | None:
        """Give the worker a call. Returns None if it is gone, or does not read: then nothing was done.

        Args:
            incoming: the call.
            state: the `ResumeState` to restore the session from, and its age in seconds; empty: none.

        Raises:
            OSError: there are no more file descriptors.
        """
        number = next(self._numbers)
        accepted, lease, (data, age_s) = incoming.accepted, incoming.lease, state
        message = TakeCall(
            call=number,
            client=accepted.client,
            scheme=accepted.scheme,
            lease=lease,
            metadata=incoming.opening.metadata,
            channel=incoming.opening.channel,
            protocol=incoming.choice,
            controlled=incoming.control is not None,
            state_bytes=len(data),
            state_age_s=age_s,
        )
        position = incoming.caller.hand_over()
        try:
            descriptors = (accepted.socket.fileno(), position)
            if not self._channel.send(message, data + accepted.request, descriptors=descriptors):
                return None
        finally:
            os.close(position)
        call = Call(
            number,
            lease,
            incoming.caller,
            incoming.control,
            answers=incoming.answers,
            on_closed=incoming.on_closed,
        )
        self.calls[number] = call
        self.sessions.add(lease.session_id)
        self._events.changed(self._worker)
        return call

    def receive(self, message: CallMessage, payload: bytes) -> None:
        """Take what the worker reports about its calls and sessions. Those that it does not have are ignored."""
        match message:
            case Connected(call=number, token_digest=digest):
                if (call := self.calls.get(number)) is not None:
                    self._connected(call, digest)
            case Closed(call=number, close_code=close_code):
                if (call := self.calls.get(number)) is not None and call.on_closed is not None:
                    call.on_closed(close_code)
            case CallOver(call=number, parked=parked, close_code=close_code):
                if (call := self.calls.pop(number, None)) is not None:
                    call.close_code = close_code
                    call.end(over=True)
                    others = {other.lease.session_id for other in self.calls.values()}
                    if not parked and call.lease.session_id not in others:
                        self.sessions.discard(call.lease.session_id)
                    self._events.changed(self._worker)
            case ControlCall(call=number):
                call = self.calls.get(number)
                self._requests.receive(message, None if call is None else call.control)
            case Checkpoint(session_id=session_id, dropped=dropped, kept=kept):
                if session_id in self.sessions:
                    changed = sessions.Checkpoint.from_payload(payload, dropped=dropped, kept=kept) if payload else None
                    self._events.checkpoint(self._worker, session_id, changed)
            case SessionOver(session_id=session_id):
                if session_id in self.sessions:
                    self.sessions.discard(session_id)
                    self._events.session_over(self._worker, session_id)

    def _connected(self, call: Call, digest: str | None) -> None:
        call.caller.request = b""  # it was answered
        self._events.session_connected(self._worker, call.lease, digest)
        call.answers.connect(partial(self._send_answer, call.lease.session_id))

    def _send_answer(self, session_id: str, answer: CallAnswer) -> None:
        self._channel.send(CallAnswered(session_id=session_id, answer=answer))

    def lost(self) -> None:
        """The worker has ended, and its calls are lost."""
        for call in self.calls.values():
            call.end(over=False)
        self.calls.clear()


CallMessage = Connected | Closed | CallOver | ControlCall | Checkpoint | SessionOver
"""What a worker reports about its calls and sessions."""
