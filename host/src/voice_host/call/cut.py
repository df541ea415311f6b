"""Cuts a reply, and learns how much of it the caller heard: some clients tell only after they were told to stop."""

from __future__ import annotations

import asyncio

from voice_host.call import events
from voice_host.call.call import Call
from voice_host.call.reply import Reply
from voice_host.clients.protocol import Played
from voice_host.turns.events import Interruption, StopRequested


async def cut_reply(call: Call, by: Interruption) -> None:
    """Cut the current reply. Once the client has been told, no audio or text of it follows."""
    if (reply := call.reply) is None:
        return
    heard = reply.cut(report_follows=call.client.reports_after_cut)
    if reply.report_follows:
        await call.reporter.tell(events.ReplyCut(reply.id, heard, *reply.tokens))
        call.spawn(_report_over(call, reply, by), f"cut-{reply.id}")
        return
    await call.reporter.tell(reply.over(f"cancelled_by_{by}"))
    await call.reporter.tell(events.ReplyCut(reply.id, heard, *reply.tokens))


async def _report_over(call: Call, reply: Reply, by: Interruption) -> None:
    """Report the end of a reply when the client has told what it played of it, or does not tell in time."""
    try:
        await reply.reported()
    except asyncio.CancelledError:
        call.reporter.note(reply.over(f"cancelled_by_{by}"))
        raise
    await call.reporter.tell(reply.over(f"cancelled_by_{by}"))


def note_played(call: Call, played: Played) -> None:
    """Take the client's report of how much it has played so far."""
    if (reply := call.reply) is not None and reply.id == played.reply:
        reply.report_played(played.played_ms, paused=played.paused)


async def take_last_report(call: Call, played: Played) -> None:
    """Take the client's report of where it has stopped playing a reply."""
    reply = next((each for each in call.unsettled if each.id == played.reply), None)
    if reply is None:
        return
    reply.stopped_at(played.played_ms)
    if reply.alive and reply is call.reply:
        await call.dispatch(StopRequested())  # nobody hears the rest
