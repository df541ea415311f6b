"""The caller's frames on their way in: audio to the microphone buffer, messages to the turn engine."""

from __future__ import annotations

import asyncio
import itertools

from starlette.websockets import WebSocket

from voice_host import metrics
from voice_host.limits import ClientGuard
from voice_host.session import messages
from voice_host.session import turn_events as turns
from voice_host.session.call import Call
from voice_host.session.connection import said_goodbye

FRAMES_IN_A_ROW = 32
"""Frames that have come already are read without giving way; after so many it is the turn of other calls."""


async def read_client(call: Call, ws: WebSocket, guard: ClientGuard) -> None:
    """Take what the client sends until it leaves. What is over a limit is dropped, counted, and told now and then."""
    for number in itertools.count(1):
        frame = await ws.receive()
        if frame["type"] == "websocket.disconnect":
            call.link.mark_gone()
            call.end("goodbye" if said_goodbye(frame) else "lost")
            return
        if (audio := frame.get("bytes")) is not None:
            if excess := guard.audio(len(audio)):
                await call.over_limit(excess)
            elif dropped := call.microphone.put(audio):
                metrics.MICROPHONE_DROPPED.labels(call.agent_id).inc(dropped)
        else:
            await _on_text(call, guard, frame["text"])
        if number % FRAMES_IN_A_ROW == 0:
            await asyncio.sleep(0)


async def _on_text(call: Call, guard: ClientGuard, raw: str) -> None:
    if excess := guard.message(raw):
        await call.over_limit(excess)
        return
    try:
        message = messages.parse(raw)
    except messages.BadMessage as error:
        await call.report("bad_message", str(error))
        return
    match message:
        case messages.TypedText(text=text):
            if excess := guard.typed(text):
                await call.over_limit(excess)
            else:
                await call.dispatch(turns.TurnFinished(text, typed=True))
        case messages.Cancel():
            await call.dispatch(turns.StopRequested())
        case messages.Reset():
            await call.dispatch(turns.ResetRequested())
        case messages.Playback(reply=reply, played_ms=played_ms):
            if call.reply is not None and call.reply.id == reply:
                call.reply.playout.report_played(played_ms)
        case messages.Ping():
            await call.link.send(messages.pong())
