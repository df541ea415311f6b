"""Where a conversation stood when its connection ended: what the session keeps for a caller who comes back."""

from __future__ import annotations

from dataclasses import dataclass

from voice_host.call.reply import Reply
from voice_host.clock import now_s
from voice_host.conversation.voice_agent import VoiceAgent
from voice_host.turns.engine import TurnEngine
from voice_host.turns.events import CancelReply, ConnectionEnded, ConnectionResumed


@dataclass(slots=True, eq=False)
class LeftOff:
    """The turn engine, which lives as long as the session, and the reply that was under way, if any.

    The replies of the next connection go on counting, what waited to be said still waits, and the time a call may
    last goes on.
    """

    engine: TurnEngine
    reply: Reply | None = None
    text_complete: bool = False

    def returns(self, agent: VoiceAgent) -> ConnectionResumed:
        """The caller is back. Not to be asked before the task of the reply has ended."""
        if (reply := self.reply) is None:
            return ConnectionResumed()
        unanswered = bool(reply.asked) and not self.text_complete and not reply.heard
        if unanswered and (reply.turn is None or not reply.turn.steps):
            # Nothing was heard and nothing was done, so nothing is lost by answering once more, and in whole sentences.
            agent.take_back(reply.asked)
            return ConnectionResumed(unanswered=reply.asked)
        return ConnectionResumed(unheard=reply.unheard())


def leave(engine: TurnEngine, reply: Reply | None, *, lost: bool = False) -> tuple[LeftOff, Reply | None]:
    """End a connection's part of the conversation: kill the reply under way.

    Args:
        engine: the session's.
        reply: the last one.
        lost: whether the caller may have been gone for a while. A reply may have been sent to its end meanwhile.

    Returns:
        what to go on with, and the reply if this is what killed it.
    """
    unplayed = lost and reply is not None and reply.alive and reply.playout.reports_are_missing
    kept = LeftOff(engine, reply if engine.unfinished or unplayed else None, engine.text_complete)
    cut = None
    for action in engine.handle(ConnectionEnded(), now_s()):
        if isinstance(action, CancelReply) and reply is not None and reply.id == action.reply:
            reply.cut()
            cut = reply
    if unplayed and reply is not None:
        reply.forsake()
    return kept, cut
