"""`Call`: passes events to the turn engine, and performs the actions that it returns."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from voice_host.admission import Violation
from voice_host.admission.networks import site_of
from voice_host.call import events
from voice_host.call.connection import CallEnd
from voice_host.call.echo import EchoGuard
from voice_host.call.events import ReplyKind
from voice_host.call.latency import Stages
from voice_host.call.manual_turn import ManualTurn
from voice_host.call.microphone import MicrophoneBuffer
from voice_host.call.phone_line import PhoneLine
from voice_host.call.playout import Playout
from voice_host.call.prepared_turn import PreparedTurn, TurnPreparation
from voice_host.call.reply import Reply
from voice_host.call.report import CallReporter
from voice_host.call.snapshot import outlives_the_call, snapshot
from voice_host.clients.close_codes import CloseCode
from voice_host.clients.transport.connection import ClientConnection
from voice_host.clock import now_s
from voice_host.conversation.voice_agent import VoiceAgent
from voice_host.sessions.session import CallSnapshot, ManagedSession
from voice_host.tasks import forget_frames
from voice_host.turns import events as turns
from voice_host.turns.engine import TurnEngine, TurnState
from voice_host_sdk import (
    ProviderError,
    SpeechEnded,
    SpeechEvent,
    SpeechStarted,
    TextToSpeechStream,
    Transcript,
)
from voice_host_sdk.session import EndReason

PROGRESS_INTERVAL_S = 2.0
"""How often it is noted how much of a reply was heard. If the process is lost, at most this much is spoken again."""

MakeReply = Callable[[Reply], Coroutine[Any, Any, None]]
"""Generates a reply, and returns when it has been played."""


@dataclass(frozen=True, slots=True)
class CallSteps:
    """The steps of a call that a subclass of `VoiceSessionHandler` may override.

    Attributes:
        handle_turn: answers the caller's turn, using the prepared turn if there is one.
        speak_text: speaks a given text as a reply; True: it is the greeting.
        cancel_inflight: cuts the current reply.
    """

    handle_turn: Callable[[Call, str, PreparedTurn | None, Reply], Coroutine[Any, Any, None]]
    speak_text: Callable[[Call, str, bool, Reply], Coroutine[Any, Any, None]]
    cancel_inflight: Callable[[Call, turns.Interruption], Coroutine[Any, Any, None]]


@dataclass(slots=True, eq=False)
class Call:
    """One call: a connection to a session, and everything that lives only as long as the connection."""

    session: ManagedSession
    client: ClientConnection
    reporter: CallReporter
    engine: TurnEngine
    """Continues from the state of the last call if the caller has reconnected."""
    tasks: asyncio.TaskGroup
    over: asyncio.Future[CallEnd]
    microphone: MicrophoneBuffer
    steps: CallSteps
    max_lag_s: float
    """How late speech may be because the client is slow; beyond that, some of it is skipped."""
    playout_buffer_s: float
    """How much of a reply's speech is buffered before it is sent."""
    echo: EchoGuard
    voice: TextToSpeechStream | None = None
    """None: text-to-speech is not available, and replies are text only."""
    reply: Reply | None = None
    """The current reply, or the last one."""
    forgotten: int = 0
    """The last reply before the caller reset the conversation."""
    speech_wanted: bool = True
    """Whether replies are spoken; otherwise they are text only, as the client wants it."""
    manual: ManualTurn = field(init=False)
    """The caller's turns, if the client decides when they end."""
    preparation: TurnPreparation = field(init=False)
    """Prepares the caller's next turn."""
    phone: PhoneLine = field(init=False)
    """What there is beside speech, if the caller has a telephone."""
    _paused: Reply | None = None
    """The reply whose playback the client was told to pause (`ReplyHeld`)."""
    _speech_ended_at_s: float | None = None
    _next_kind: ReplyKind = "own"
    _turn_lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held while the actions of one event are performed, so that those of two events never interleave."""
    unsettled: list[Reply] = field(default_factory=list)
    """Replies whose task has not ended."""
    _progress: asyncio.TimerHandle | None = None
    _timer: asyncio.TimerHandle | None = None
    _timer_due_s: float | None = None
    _closed: bool = False
    _children: set[asyncio.Task[None]] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.manual = ManualTurn(self.reporter.tell, self.dispatch, self.microphone.end_turn)
        self.preparation = TurnPreparation(self.agent, self.spawn, self._history_is_complete)
        self.phone = PhoneLine(self)

    @property
    def session_id(self) -> str:
        """The session's id."""
        return self.session.id

    @property
    def agent(self) -> VoiceAgent:
        """The conversation."""
        return self.session.agent

    @property
    def agent_id(self) -> str:
        """The id of the agent that answers."""
        return self.session.live.agent_id

    # --- events -----------------------------------------------------------------------------------------------------

    async def hear(self, event: SpeechEvent) -> None:
        """Handle an event of the recogniser. Echoes of the agent's own voice are ignored."""
        for heard in self.echo.sift(event, lambda: self.reply.audible() if self.reply is not None else ""):
            await self._hear_caller(heard)

    async def _hear_caller(self, event: SpeechEvent) -> None:
        if self.manual.on:
            self.manual.take(event)
            return
        match event:
            case SpeechStarted():
                self._speech_ended_at_s = None
                await self.reporter.tell(events.CallerSpeechStarted())
                await self.dispatch(turns.CallerSpeechStarted())
            case SpeechEnded():
                self._speech_ended_at_s = now_s()
                await self.reporter.tell(events.CallerSpeechEnded())
                await self.dispatch(turns.CallerSpeechEnded())
            case Transcript(text, final, confidence):
                await self.reporter.tell(events.Heard(text, final))
                await self.dispatch(turns.TurnFinished(text) if final else turns.PartialTranscript(text, confidence))
        self._prepare()  # a turn is coming

    async def dispatch(self, event: turns.TurnEvent) -> None:
        """Pass an event to the turn engine, and perform the actions that it returns."""
        async with self._turn_lock:
            actions = self.engine.handle(event, now_s())
            for action in actions:
                await self._perform(action)
            await self._report_pause()
            self.arm_timer()
        if outlives_the_call(event, actions):
            self.session.checkpoint_soon()

    async def settled(self) -> None:
        """Return when what was asked for before, such as `say`, has been passed to the turn engine."""
        await asyncio.sleep(0)  # its task waits for the lock by then
        async with self._turn_lock:
            pass

    async def _perform(self, action: turns.TurnAction) -> None:
        match action:
            case turns.Speculate(text):
                await self.preparation.speculate(text)
            case turns.DropSpeculation():
                await self.preparation.drop()
            case turns.AnnounceTurn(text, typed):
                await self._take_turn(text, typed)
            case turns.StartReply(reply, text):
                prepared = await self.preparation.take()
                self._start_reply(reply, partial(self.steps.handle_turn, self, text, prepared), asked=text)
            case turns.StartSpeech(reply, text, greeting):
                self._start_reply(reply, partial(self.steps.speak_text, self, text, greeting))
            case turns.ResumeReply(reply):
                rest = self.reply.unheard() if self.reply is not None else ""
                self._start_reply(reply, partial(self.steps.speak_text, self, rest, False))
            case turns.AppendSpeech(_, text):
                await self._append_speech(f" {text.strip()}\n")
            case turns.DropSpeech():
                self.reporter.note(events.SayDropped())
            case turns.HoldPlayout() if self.reply is not None:
                self.reply.hold()
            case turns.UnholdPlayout() if self.reply is not None:
                self.reply.playout.release()
            case turns.CancelReply(_, by):
                await self.steps.cancel_inflight(self, by)
            case turns.ConfirmNothingToCancel(reply):
                heard = self.reply.audible() if self.reply is not None else ""
                await self.reporter.tell(events.ReplyCut(reply, heard))
            case turns.ForgetConversation():
                self.forgotten = self.engine.reply
                await self.agent.reset()
                await self.reporter.tell(events.ConversationReset())
            case turns.HangUp(reason):
                self.end("ended", reason)

    async def _take_turn(self, text: str, typed: bool) -> None:
        await self.preparation.ask(text)  # first, since the caller waits for the model's answer
        self._next_kind = "typed" if typed else "spoken"
        if typed:
            self._speech_ended_at_s = None  # belongs to earlier speech
        await self.reporter.tell(events.TurnTaken(text, typed))

    async def _report_pause(self) -> None:
        """Tell the client to pause or continue the playback of a reply."""
        reply, before = self.reply, self._paused
        if reply is not None and self.engine.state is TurnState.HOLDING and reply.alive and reply.playout.begun:
            self._paused = reply
        else:
            self._paused = None
        if self._paused is before:
            return
        if before is not None:  # not sent if the reply was cut
            await self.reporter.tell(events.ReplyReleased(before.id), before)
        if self._paused is not None:
            await self.reporter.tell(events.ReplyHeld(self._paused.id), self._paused)

    # --- replies ------------------------------------------------------------------------------------------------------

    def _start_reply(self, reply_id: int, make: MakeReply, *, asked: str = "") -> None:
        """Start a reply in its own task, after the previous reply. `asked`: the caller's turn that it answers."""
        previous, self.reply = self.reply, self._new_reply(reply_id, asked)
        self.unsettled.append(self.reply)
        if previous is not None:
            self.echo.said(previous.audible())
        self.reply.task = self.spawn(self._run_reply(self.reply, previous, make), f"reply-{reply_id}")
        self.reply.task.add_done_callback(partial(self._reply_ended, self.reply))

    def _new_reply(self, reply_id: int, asked: str) -> Reply:
        speech_ended_at_s, self._speech_ended_at_s = self._speech_ended_at_s, None
        kind, self._next_kind = self._next_kind, "own"
        stages = Stages(speech_ended_at_s or now_s())
        if speech_ended_at_s is not None:
            stages.lasted("speech_end", 0.0)
        stages.reach("transcript_final")

        async def audible() -> None:
            stages.reach("first_audio_out")
            await self.dispatch(turns.ReplyAudible(reply_id))
            self._note_progress(reply)

        async def send(pcm: bytes) -> None:
            self.echo.played(pcm)
            await self.client.speak(reply_id, pcm, reply)

        playout = Playout(
            send,
            sample_rate=self.agent.tts_config.sample_rate,
            lead_ms=self.agent.config.turns.playout_lead_ms,
            buffer_s=self.playout_buffer_s,
            max_lag_s=self.max_lag_s,
            on_first_audio=audible,
            on_skipped=lambda duration_s: self.reporter.note(events.SpeechSkipped(duration_s)),
        )
        reply = Reply(reply_id, playout, stages, kind, asked=asked)
        return reply

    async def _run_reply(self, reply: Reply, previous: Reply | None, make: MakeReply) -> None:
        if previous is not None and previous.task is not None:
            # It was cut or has ended. Its text must be in the history before this reply reads it.
            await asyncio.wait([previous.task])
        reply.running = True
        await make(reply)
        if not reply.alive:  # cut before it started
            return
        reply.stages.reach("audible_end")
        await self.reporter.tell(reply.over("completed"))
        await self.dispatch(turns.ReplyEnded(reply.id))

    def _note_progress(self, reply: Reply) -> None:
        """Keep what is known elsewhere of how much of a reply was heard up to date."""
        self._stop_noting()
        if self.session.checkpoints is None or not reply.alive or reply.settled or self._closed:
            return
        self.session.checkpoint_soon()
        loop = asyncio.get_running_loop()
        self._progress = loop.call_later(PROGRESS_INTERVAL_S, self._note_progress, reply)

    def _stop_noting(self) -> None:
        if self._progress is not None:
            self._progress.cancel()
            self._progress = None  # it refers to the call

    def _reply_ended(self, reply: Reply, _: asyncio.Task[None]) -> None:
        reply.playout.close()
        self.unsettled = [other for other in self.unsettled if other is not reply]
        self.session.checkpoint_soon()
        if reply is self.reply:
            self._stop_noting()
        if not reply.alive:
            self._prepare()  # only now is what was heard in the history

    async def _append_speech(self, text: str) -> None:
        """Append a text of `Session.say` to the current reply."""
        # Does not wait for room: the turn lock is held, and the voice may need it to continue.
        if (reply := self.reply) is None or not reply.append(text):
            self.reporter.note(events.SayDropped())
            return
        await self.reporter.tell(events.ReplyText(reply.id, text), reply)

    def _prepare(self) -> None:
        """While no reply is in progress, prepare the next turn, except for the caller's words."""
        if not self._closed and self.engine.state is TurnState.LISTENING:
            self.preparation.prepare()

    def _history_is_complete(self) -> bool:
        return self.reply is None or self.reply.task is None or self.reply.task.done()

    # --- problems -----------------------------------------------------------------------------------------------------

    async def report(self, code: str, message: str, *, fatal: bool = False) -> None:
        """Report a problem. `message` must be safe to show to the caller."""
        await self.reporter.tell(events.Problem(code, message, fatal))

    async def report_failure(self, error: ProviderError) -> None:
        """Report a failure of a speech service. If a key was refused, the message names its setting, not the key."""
        named = error.setting is None or error.setting in error.message
        await self.report(error.code, error.message if named else f"{error.message} Check {error.setting}.")

    async def over_limit(self, violation: Violation, *, unanswered: bool = False) -> None:
        """Report what was dropped because of a limit, and end the call if that is required.

        Args:
            violation: of the limit.
            unanswered: whether it was a turn.
        """
        self.reporter.note(events.LimitExceeded(violation.limit))
        if violation.notify:
            problem = events.Problem("over_limit", violation.message, violation.fatal, unanswered)
            await self.reporter.tell(problem)
        if violation.fatal:
            self.end("ended", f"over a limit: {violation.limit}", CloseCode.OVER_A_LIMIT)

    # --- the end ------------------------------------------------------------------------------------------------------

    def end(self, reason: EndReason, detail: str = "", code: CloseCode | None = None) -> None:
        """End the call. The first reason counts."""
        if not self.over.done():
            self.over.set_result(CallEnd(reason, detail, code))

    def stalled(self) -> None:
        """The client accepts no more data (`ClientConnection.on_stalled`)."""
        self.reporter.note(events.LimitExceeded("send_timeout_s"))
        self.end("lost")

    # --- tasks and timers -------------------------------------------------------------------------------------------

    def spawn(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        """Start a task that ends with the call at the latest."""
        task = self.tasks.create_task(work, name=f"{name}-{self.session_id}")
        self._children.add(task)
        task.add_done_callback(self._children.discard)
        task.add_done_callback(forget_frames)
        return task

    def cancel_tasks(self) -> None:
        """Cancel all spawned tasks."""
        self._closed = True
        self.phone.close()
        if self._timer is not None:
            self._timer.cancel()
        self._stop_noting()
        for task in tuple(self._children):
            task.cancel()

    def close(self) -> None:
        """Let go of what refers back to the call, which nothing else may use any more once its tasks have ended."""
        self.reply = self._paused = None
        self.unsettled = []
        del self.preparation, self.manual, self.phone

    def arm_timer(self) -> None:
        """Set the timer for the turn engine's next deadline."""
        due_s = self.engine.deadline_s
        if due_s == self._timer_due_s:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer_due_s = due_s
        self._timer = None if due_s is None else asyncio.get_running_loop().call_at(due_s, self._on_deadline)

    def _on_deadline(self) -> None:
        self._timer_due_s = self._timer = None
        self._dispatch_later(turns.TimePassed())

    def _dispatch_later(self, event: turns.TurnEvent) -> None:
        # In a task of its own, because the actions may cancel and await the caller of this method.
        if not self.over.done():
            self.spawn(self.dispatch(event), "request")

    # --- for the session manager (`voice_host.sessions.session.Connection`) -----------------------------------------

    @property
    def origin(self) -> str | None:
        return site_of(self.client.client_host)

    @property
    def lost(self) -> bool:
        return self.over.done() and not self.over.cancelled() and self.over.result().reason == "lost"

    @property
    def closing(self) -> bool:
        return self._closed

    def snapshot(self) -> CallSnapshot:
        unsettled = [reply for reply in self.unsettled if not reply.settled]
        return snapshot(self.engine, unsettled, self.reply, forgotten=self.forgotten, origin_s=self.session.created_at)

    def drop(self, reason: EndReason) -> None:
        self.end(reason)

    def replace(self) -> None:
        self.end("lost", "the call goes on over another connection", CloseCode.ENDED)

    def revoke(self) -> None:
        self.end("removed", "the key was revoked", CloseCode.NOT_AUTHORISED)

    def warn(self, code: str, message: str) -> None:
        if not self.over.done():
            self.spawn(self.report(code, message), "warning")

    # --- for tools and callbacks (`voice_host.sessions.live_session.Line`) ------------------------------------

    async def say(self, text: str) -> None:
        self._dispatch_later(turns.SpeechRequested(text))

    async def hang_up(self, reason: str) -> None:
        self._dispatch_later(turns.HangUpRequested(reason))
