"""Reports the events of a call: each one once, to metrics, log, callbacks, observers and the client.

Nothing else in `call` updates metrics, runs callbacks or sends messages about events.
"""

from __future__ import annotations

from voice_host.call.events import (
    AnswerBrokenOff,
    Answered,
    AnswerWithdrawn,
    CallerSpeechEnded,
    CallerSpeechStarted,
    CallEvent,
    CallOver,
    ConversationReset,
    FinalMissing,
    Heard,
    KeyPressed,
    LimitExceeded,
    MicrophoneDropped,
    Problem,
    Ready,
    RecogniserLost,
    Refused,
    ReplayDropped,
    ReplyBegun,
    ReplyComplete,
    ReplyCut,
    ReplyHeld,
    ReplyOver,
    ReplyReleased,
    ReplyText,
    SayDropped,
    SpeechSent,
    SpeechSkipped,
    ToolFinished,
    ToolStarted,
    TurnCommitted,
    TurnTaken,
    VoiceFailedOver,
)
from voice_host.clients.transport.connection import ClientConnection, Sender
from voice_host.observability import metrics
from voice_host.observability.logs import get_logger
from voice_host.observability.transcript_log import log_reply, log_turn
from voice_host.sessions.session import ManagedSession
from voice_host_sdk import AgentReply, SessionError, ToolCall, UserTurn

log = get_logger(__name__)

_LONGEST_REASON = 200
"""How much of the reason for a `bad_message` is logged. It may have names that the client has chosen."""


class CallReporter:
    """Reports the events of one call.

    Args:
        session: for the ids and callbacks.
        client: is sent the messages.
    """

    def __init__(self, session: ManagedSession, client: ClientConnection) -> None:
        self._session = session
        self._callbacks = session.callbacks
        self._agent_id = session.live.agent_id
        self._client = client

    async def tell(self, event: CallEvent, sender: Sender | None = None) -> None:
        """Report an event, also to the client. Returns when it has been sent.

        Args:
            sender: the reply that the event belongs to: once it is cut, the client is not told.
        """
        self.note(event)
        await self._client.tell(event, sender)

    def note(self, event: CallEvent) -> None:
        """Report an event, but not to the client. Returns at once."""
        match event:
            case (
                ReplyText()
                | Heard()
                | ReplyBegun()
                | ReplyComplete()
                | SpeechSent()
                | CallerSpeechStarted()
                | CallerSpeechEnded()
                | ReplyHeld()
                | ReplyReleased()
                | ReplyCut()
                | ToolStarted()
                | ConversationReset()
                | CallOver()
                | TurnCommitted()
                | AnswerWithdrawn()
                | Refused()
            ):
                pass  # only the client is told
            case Ready(resumed=resumed):
                (metrics.CALLS_RESUMED if resumed else metrics.CALLS).labels(self._agent_id).inc()
            case TurnTaken(text, typed):
                self._turn_taken(UserTurn(text, typed))
            case ToolFinished():
                self._tool_finished(event)
            case AnswerBrokenOff(reason):
                metrics.ANSWERS_BROKEN_OFF.labels(self._agent_id, reason).inc()
            case ReplyOver():
                self._reply_over(event)
            case KeyPressed(digit):
                metrics.KEYS_PRESSED.labels(self._agent_id).inc()
                self._callbacks.dtmf(digit)
            case Answered(answer):
                metrics.CALLS_ANSWERED.labels(self._agent_id, answer.by).inc()
                log.info("call_answered", agent_id=self._agent_id, session_id=self._session.id, by=answer.by)
                self._callbacks.answered(answer)
            case Problem(code, message, fatal):
                metrics.ERRORS.labels(self._agent_id, code).inc()
                # Of other codes, the message may quote what a service has answered.
                fields = {"reason": message[:_LONGEST_REASON]} if code == "bad_message" else {}
                self._warn("call_error", code=code, fatal=fatal, **fields)
                self._callbacks.error(SessionError(code, message, fatal))
            case _:
                self._note_losses(event)

    def _note_losses(
        self,
        event: LimitExceeded
        | SpeechSkipped
        | MicrophoneDropped
        | SayDropped
        | RecogniserLost
        | ReplayDropped
        | FinalMissing
        | VoiceFailedOver,
    ) -> None:
        """Count or log losses and failures of which the caller is not told."""
        match event:
            case LimitExceeded(limit):
                metrics.LIMITS_EXCEEDED.labels(self._agent_id, limit).inc()
            case SpeechSkipped(duration_s):
                metrics.SPEECH_SKIPPED.labels(self._agent_id).inc(duration_s)
                self._warn("speech_skipped", skipped_s=round(duration_s, 2))
            case MicrophoneDropped(size):
                metrics.MICROPHONE_DROPPED.labels(self._agent_id).inc(size)
            case SayDropped():
                metrics.SAYS_DROPPED.labels(self._agent_id).inc()
            case RecogniserLost(code):
                metrics.STT_RECONNECTS.labels(self._agent_id, code).inc()
                self._warn("stt_lost", code=code)
            case ReplayDropped(lines):
                self._warn("stt_audio_dropped", lines=lines)
            case FinalMissing():
                self._warn("stt_final_missing")
            case VoiceFailedOver(code):
                metrics.TTS_FALLBACKS.labels(self._agent_id, code).inc()
                self._warn("tts_fallback", code=code)

    def crashed(self, error: Exception) -> None:
        """Log an error in the host that ends the call. The caller is told no details."""
        log.error("call_failed", agent_id=self._agent_id, session_id=self._session.id, exc_info=error)

    def request_failed(self, error: Exception) -> None:
        """Log an error in a request to the carrier of a telephone call. The agent is told no details."""
        log.error("carrier_request_failed", agent_id=self._agent_id, session_id=self._session.id, exc_info=error)

    def _turn_taken(self, turn: UserTurn) -> None:
        metrics.TURNS.labels(self._agent_id, "typed" if turn.typed else "spoken").inc()
        self._session.count_turn()
        log_turn(self._session.live, turn)
        self._callbacks.user_turn(turn)

    def _tool_finished(self, event: ToolFinished) -> None:
        metrics.TOOL_CALLS.labels(self._agent_id, str(event.ok).lower()).inc()
        if event.timed_out:
            metrics.TOOL_TIMEOUTS.labels(self._agent_id, event.name).inc()
        call = ToolCall(event.id, event.name, event.arguments, event.ok, event.result, event.duration_ms)
        self._callbacks.tool_call(call)

    def _reply_over(self, event: ReplyOver) -> None:
        metrics.REPLIES.labels(self._agent_id, event.how).inc()
        for stage, ms in event.stages_ms.items():
            metrics.STAGE_SECONDS.labels(self._agent_id, stage, event.kind).observe(max(0.0, ms / 1000))
        if event.kind != "own" and (first_audio_ms := event.stages_ms.get("first_audio_out")) is not None:
            self._session.note_first_audio(first_audio_ms)
        reply = AgentReply(event.reply, event.text, event.heard, event.interrupted)
        log_reply(self._session.live, reply)
        self._callbacks.agent_reply(reply)

    def _warn(self, name: str, **fields: object) -> None:
        log.warning(name, agent_id=self._agent_id, session_id=self._session.id, **fields)
