"""What a call leaves if its process is lost in the middle of it."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic_ai.messages import ModelMessage

from voice_host.call.reply import Reply
from voice_host.sessions.resume_state import SuspendedCall
from voice_host.sessions.session import CallSnapshot
from voice_host.turns import events as turns
from voice_host.turns.engine import TurnEngine


def snapshot(
    engine: TurnEngine, unsettled: Sequence[Reply], reply: Reply | None, *, forgotten: int, origin_s: float
) -> CallSnapshot:
    """Return the state of a call as `Suspension` would leave it, but let the call go on.

    Args:
        unsettled: the replies that are not in the history yet, in order, the current one included.
        reply: the current reply, or the last one.
        forgotten: the last reply before the caller reset the conversation.
        origin_s: the beginning of the session.
    """
    state = engine.snapshot(origin_s)
    messages: list[ModelMessage] = []
    for earlier in unsettled:
        if earlier is not reply and earlier.id > forgotten:
            messages += earlier.messages_so_far()
    if reply is None or reply.id <= forgotten:
        return CallSnapshot(SuspendedCall(state), messages)
    if reply.alive and must_be_answered(reply, engine.text_complete, reply.audible()):
        return CallSnapshot(SuspendedCall(state, unanswered=reply.asked), messages)
    if reply in unsettled:
        messages += reply.messages_so_far()
    current = reply.id == engine.reply  # or else the next reply is about to begin
    unheard = reply.rest() if current and engine.unfinished else ""
    return CallSnapshot(SuspendedCall(state, unheard=unheard), messages)


def must_be_answered(reply: Reply, text_complete: bool, heard: str | None) -> bool:
    """Whether the turn of a reply that ends now can be answered again from the beginning.

    Only if nothing of the reply was heard and no tool began, which might do something twice.
    """
    tools_began = reply.turn is not None and reply.turn.tools_began
    return bool(reply.asked) and not text_complete and not heard and not tools_began


def outlives_the_call(event: turns.TurnEvent, actions: Sequence[turns.TurnAction]) -> bool:
    """Whether an event may have changed what is kept if the process is lost."""
    match event:
        case (
            turns.CallerSpeechStarted()
            | turns.CallerSpeechEnded()
            | turns.PartialTranscript()
            | turns.KeyPressed()
            | turns.ReplyAudible()
            | turns.TimePassed()
        ):
            passing = (turns.HoldPlayout, turns.UnholdPlayout, turns.Speculate, turns.DropSpeculation)
            return not all(isinstance(action, passing) for action in actions)
        case _:
            return True
