"""One call: a connection to a session, and everything that lives only as long as the connection."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

from voice_host.admission import Excess, Ticket
from voice_host.call.connection import CallEnd
from voice_host.call.echo import EchoGuard
from voice_host.call.events import LimitExceeded, Problem, ReplyKind, SpeechSkipped
from voice_host.call.microphone import MicrophoneBuffer
from voice_host.call.prepared_turn import HeadStart
from voice_host.call.reply import Reply
from voice_host.call.report import CallReporter
from voice_host.clients.close_codes import CloseCode
from voice_host.clients.transport.connection import ClientConnection
from voice_host.conversation.voice_agent import VoiceAgent
from voice_host.sessions.session import ManagedSession
from voice_host.turns.engine import TurnEngine, TurnState
from voice_host.turns.events import HangUpRequested, SpeechRequested, TimePassed, TurnEvent
from voice_host_sdk import ProviderError, TextToSpeechStream
from voice_host_sdk.session import EndReason


@dataclass(slots=True, eq=False)
class Call:
    """The state of one call. `VoiceSessionHandler` is what acts on it."""

    session: ManagedSession
    client: ClientConnection
    reporter: CallReporter
    engine: TurnEngine
    """The session's, not the connection's: it goes on where the connection before left off."""
    tasks: asyncio.TaskGroup
    over: asyncio.Future[CallEnd]
    microphone: MicrophoneBuffer
    dispatch: Callable[[TurnEvent], Coroutine[Any, Any, None]]
    """Takes an event of this call to the turn engine and carries out what comes of it."""
    max_lag_s: float
    """How far behind a reply's speech may be that the client is slow to take."""
    playout_buffer_s: float
    """How much of a reply's speech is kept ahead of what was sent."""
    echo: EchoGuard
    place: Ticket | None = None
    """Among the calls at once; None: nobody counts them."""
    voice: TextToSpeechStream | None = None
    """None: the voice could not be had, replies are text only."""
    reply: Reply | None = None
    forgotten: int = 0
    """The last reply of the conversation that the caller asked to forget."""
    speech_ended_at_s: float | None = None
    answering: ReplyKind = "own"
    """The kind of the next reply."""
    turn_lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held while the actions of one event are carried out, so that those of two are never mixed."""
    head_start: HeadStart | None = None
    """What was begun for a turn that is not final yet."""
    timer: asyncio.TimerHandle | None = None
    due_s: float | None = None
    """When `timer` is due."""
    _closed: bool = False
    _children: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def session_id(self) -> str:
        """The session's id."""
        return self.session.id

    @property
    def client_host(self) -> str | None:
        """The client's address; None: it has none."""
        return self.client.client_host

    @property
    def agent(self) -> VoiceAgent:
        """The conversation."""
        return self.session.agent

    @property
    def agent_id(self) -> str:
        """The id of the agent that answers."""
        return self.session.live.agent_id

    def end(self, reason: EndReason, detail: str = "", code: CloseCode | None = None) -> None:
        """End the call. The first reason counts."""
        if not self.over.done():
            self.over.set_result(CallEnd(reason, detail, code))

    def stalled(self) -> None:
        """The client takes nothing any more (`ClientConnection.on_stalled`)."""
        self.reporter.note(LimitExceeded("send_timeout_s"))
        self.end("lost")

    def skipped(self, duration_s: float) -> None:
        """The client was too slow for so much of a reply's speech (`Playout`)."""
        self.reporter.note(SpeechSkipped(duration_s))

    # --- what the manager may do (`voice_host.sessions.session.Connection`) --------------------------------------

    @property
    def lost(self) -> bool:
        return self.over.done() and not self.over.cancelled() and self.over.result().reason == "lost"

    def drop(self, reason: EndReason) -> None:
        self.end(reason)

    def replace(self) -> None:
        self.end("lost", "the call goes on over another connection", CloseCode.ENDED)

    def revoke(self) -> None:
        self.end("removed", "the key was revoked", CloseCode.NOT_AUTHORISED)

    def warn(self, code: str, message: str) -> None:
        if not self.over.done():
            self.spawn(self.report(code, message), "warning")

    # --- tasks and timers -------------------------------------------------------------------------------------------

    def spawn(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        """Start a task that ends with the call at the latest."""
        task = self.tasks.create_task(work, name=f"{name}-{self.session_id}")
        self._children.add(task)
        task.add_done_callback(self._children.discard)
        return task

    def arm_timer(self) -> None:
        """Come back to the turn engine when its next deadline comes."""
        due_s = self.engine.deadline_s
        if due_s == self.due_s:
            return
        if self.timer is not None:
            self.timer.cancel()
        self.due_s = due_s
        self.timer = None if due_s is None else asyncio.get_running_loop().call_at(due_s, self._deadline)

    def _deadline(self) -> None:
        self.due_s = self.timer = None
        self._later(TimePassed())

    # --- turns that begin before they are final ---------------------------------------------------------------------

    def prepare(self) -> None:
        """While nothing is under way, have all of the next turn ready but the caller's words."""
        if self._closed or not self._settled or self.engine.state is not TurnState.LISTENING:
            return
        if self.head_start is not None and not self.agent.is_current(self.head_start.turn):
            self.head_start.abandon()  # the agent has said something since, of itself
            self.head_start = None
        if self.head_start is None:
            self._begin()

    async def speculate(self, text: str) -> None:
        """Let the model begin on a turn that is not final."""
        if not self._settled:
            return
        if self.head_start is None or not self.agent.is_current(self.head_start.turn):
            await self.drop_head_start()
            self._begin()
        assert self.head_start is not None
        self.head_start.turn.ask(text)

    async def ask(self, text: str) -> None:
        """Let the prepared turn have the words of the caller, and its request go out before anything else is done."""
        if self.head_start is not None and self._settled and self.agent.is_current(self.head_start.turn):
            self.head_start.turn.ask(text)
            await asyncio.sleep(0)

    async def take_head_start(self) -> HeadStart | None:
        """Hand over the turn that was begun; None: there is none, or the conversation has moved on since."""
        head_start, self.head_start = self.head_start, None
        if head_start is None or (head_start.turn.asked.is_set() and self.agent.is_current(head_start.turn)):
            return head_start
        await head_start.drop()
        return None

    async def drop_head_start(self) -> None:
        """Throw away what was begun."""
        head_start, self.head_start = self.head_start, None
        if head_start is not None:
            await head_start.drop()

    @property
    def _settled(self) -> bool:
        """Whether the history is complete: nothing is to come of the reply before."""
        return self.reply is None or self.reply.task is None or self.reply.task.done()

    def _begin(self) -> None:
        self.head_start = HeadStart(self.agent.prepare_turn())
        self.head_start.task = self.spawn(self.head_start.run(), "head-start")

    def cancel_tasks(self) -> None:
        """Stop everything that was spawned."""
        self._closed = True
        if self.timer is not None:
            self.timer.cancel()
        for task in tuple(self._children):
            task.cancel()

    # --- what tools and callbacks may do (`voice_host.sessions.live_session.Line`) --------------------

    async def say(self, text: str) -> None:
        self._later(SpeechRequested(text))

    async def hang_up(self, reason: str) -> None:
        self._later(HangUpRequested(reason))

    def _later(self, event: TurnEvent) -> None:
        # In a task of its own: whoever asks may itself be what the event's actions stop and wait for.
        if not self.over.done():
            self.spawn(self.dispatch(event), "request")

    async def report(self, code: str, message: str, *, fatal: bool = False) -> None:
        """Report that something went wrong. `message` must be fit for the caller."""
        await self.reporter.tell(Problem(code, message, fatal))

    async def over_limit(self, excess: Excess) -> None:
        """Count what was dropped because it is over a limit; tell the client now and then, or close the call."""
        self.reporter.note(LimitExceeded(excess.limit))
        if excess.tell:
            await self.report("over_limit", excess.words, fatal=excess.fatal)
        if excess.fatal:
            self.end("ended", f"over a limit: {excess.limit}", CloseCode.OVER_A_LIMIT)

    async def report_failure(self, error: ProviderError) -> None:
        """Report that a speech service failed; a refused key with the variable to look at, which is no secret."""
        named = error.setting is None or error.setting in error.message
        await self.report(error.code, error.message if named else f"{error.message} Check {error.setting}.")
