"""The course of a reply, whatever it says: begun after the one before it, and reported once it is over."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from voice_host.call.call import Call
from voice_host.call.events import ReplyText, SayDropped
from voice_host.call.latency import Stages
from voice_host.call.playout import Playout
from voice_host.call.reply import Reply
from voice_host.clock import now_s
from voice_host.turns.events import ReplyAudible, ReplyEnded

MakeReply = Callable[[Reply], Coroutine[Any, Any, None]]
"""Generates a reply, and returns when it was played to its end."""


def start_reply(call: Call, reply_id: int, make: MakeReply, *, asked: str = "") -> None:
    """Let a reply follow the one before it, in a task of its own.

    Args:
        reply_id: what the turn engine calls it.
        asked: the caller's turn that it answers.
    """
    speech_ended_at_s, call.speech_ended_at_s = call.speech_ended_at_s, None
    kind, call.answering = call.answering, "own"
    stages = Stages(speech_ended_at_s or now_s())
    if speech_ended_at_s is not None:
        stages.lasted("speech_end", 0.0)
    stages.reach("transcript_final")

    async def audible() -> None:
        stages.reach("first_audio_out")
        if kind != "own":
            call.session.note_first_audio(stages.in_ms()["first_audio_out"])
        await call.dispatch(ReplyAudible(reply_id))

    async def send(pcm: bytes) -> None:
        call.echo.played(pcm)
        await call.client.speak(reply_id, pcm, reply)

    playout = Playout(
        send,
        sample_rate=call.agent.tts_config.sample_rate,
        lead_ms=call.agent.config.turns.playout_lead_ms,
        buffer_s=call.playout_buffer_s,
        max_lag_s=call.max_lag_s,
        on_first_audio=audible,
        on_skipped=call.skipped,
    )
    reply = Reply(reply_id, playout, stages, kind, asked=asked)
    previous, call.reply = call.reply, reply
    if previous is not None:
        call.echo.said(previous.audible())
    reply.task = call.spawn(_run(call, reply, previous, make), f"reply-{reply_id}")
    reply.task.add_done_callback(lambda _: None if reply.alive else call.prepare())


async def _run(call: Call, reply: Reply, previous: Reply | None, make: MakeReply) -> None:
    if previous is not None and previous.task is not None:
        # It was cancelled or has ended; its last words must be in the history before this one reads it.
        await asyncio.wait([previous.task])
    reply.running = True
    await make(reply)
    if not reply.alive:  # cut before it began
        return
    reply.stages.reach("audible_end")
    await call.reporter.tell(reply.over("completed"))
    await call.dispatch(ReplyEnded(reply.id))


async def append_speech(call: Call, text: str) -> None:
    """Add something of the agent's own to the reply under way."""
    # Never waits for room: whoever dispatches holds the turn's lock, and the voice may need it to go on.
    if (reply := call.reply) is None or reply.texts.full():
        call.reporter.note(SayDropped())
        return
    reply.texts.put_nowait(text)
    reply.text += text
    reply.text_came.set()
    await call.reporter.tell(ReplyText(reply.id, text), reply)
