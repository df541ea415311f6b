"""Stops a call whose connection has ended, and records its state for a caller who reconnects."""

from __future__ import annotations

from voice_host.call.call import Call
from voice_host.call.reply import Reply
from voice_host.call.snapshot import must_be_answered
from voice_host.clock import now_s
from voice_host.sessions.resume_state import SuspendedCall
from voice_host.turns.events import CancelReply, ConnectionEnded


class Suspension:
    """Ends a call in two steps: creating this stops the call, and `record()` follows when its tasks have ended."""

    def __init__(self, call: Call) -> None:
        """Cancel the reply under way and all tasks. Nothing is sent from here on."""
        call.session.live.detach()
        self._call = call
        self._unfinished = self._stop_reply(call.reply)
        call.cancel_tasks()

    def _stop_reply(self, reply: Reply | None) -> Reply | None:
        """Return the last reply, unless all of it was heard."""
        engine = self._call.engine
        self._text_complete = engine.text_complete
        # A client that was lost some time ago may not have played a reply that was sent completely.
        unplayed = (
            self._call.lost
            and reply is not None
            and reply.id > self._call.forgotten
            and reply.alive
            and reply.playout.reports_are_missing
        )
        unfinished = engine.unfinished or unplayed
        cancelled = [
            action.reply for action in engine.handle(ConnectionEnded(), now_s()) if isinstance(action, CancelReply)
        ]
        if reply is None:
            return None
        if reply.id in cancelled:
            reply.cut()
        if unplayed:
            reply.connection_lost()
        if reply.id in cancelled:
            self._call.reporter.note(reply.over("cancelled_by_end"))
        return reply if unfinished else None

    def record(self) -> SuspendedCall:
        """Return the state of the call. A turn to be answered again is removed from the history.

        Call it after the reply's task has ended; before that, the history is incomplete, and tools may still run.
        """
        session = self._call.session
        turns = self._call.engine.snapshot(session.created_at)
        if (reply := self._unfinished) is None:
            return SuspendedCall(turns)
        if must_be_answered(reply, self._text_complete, reply.heard):
            session.agent.forget_turn(reply.asked)
            return SuspendedCall(turns, unanswered=reply.asked)
        return SuspendedCall(turns, unheard=reply.unheard())
