"""The end of a connection: the call is stopped, and its state recorded for a caller who comes back."""

from __future__ import annotations

from voice_host.call.call import Call
from voice_host.call.reply import Reply
from voice_host.clock import now_s
from voice_host.sessions.resume_state import SuspendedCall
from voice_host.turns.events import CancelReply, ConnectionEnded


class Suspension:
    """Ends a call in two steps: creating it stops everything; `record()` follows when the call's tasks have ended."""

    def __init__(self, call: Call) -> None:
        """Cancel the reply under way and all tasks. Nothing is sent from here on."""
        call.session.live.detach()
        self._call = call
        self._unfinished = self._stop_reply(call.reply)
        call.cancel_tasks()

    def _stop_reply(self, reply: Reply | None) -> Reply | None:
        """Return the last reply, unless it was heard to its end."""
        engine = self._call.engine
        self._text_complete = engine.text_complete
        # A client that fell silent some time ago may have received a reply to its end without playing it.
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
        """Return the state of the call. A turn that is to be answered again is removed from the history.

        Call it when the task of the reply has ended: before, the history is incomplete, and tools may still run.
        """
        session = self._call.session
        turns = self._call.engine.snapshot(session.created_at)
        if (reply := self._unfinished) is None:
            return SuspendedCall(turns)
        unanswered = bool(reply.asked) and not self._text_complete and not reply.heard
        if unanswered and (reply.turn is None or not reply.turn.steps):
            # Nothing was heard and no tool ran, so nothing is lost by answering again, and in whole sentences.
            session.agent.forget_turn(reply.asked)
            return SuspendedCall(turns, unanswered=reply.asked)
        return SuspendedCall(turns, unheard=reply.unheard())
