"""The caller's frames on their way in: audio to the microphone buffer, messages to the turn engine."""

from __future__ import annotations

import asyncio
import itertools

from starlette.websockets import WebSocket

from voice_host.admission import ClientGuard
from voice_host.call.call import Call
from voice_host.call.connection import said_goodbye
from voice_host.call.events import LimitExceeded, MicrophoneDropped
from voice_host.clients import messages
from voice_host.turns import events as turns

FRAMES_IN_A_ROW = 32
"""Frames that have come already are read without giving way; after so many it is the turn of other calls."""


async def read_client(call: Call, ws: WebSocket, guard: ClientGuard) -> None:
    """Take what the client sends until it leaves. What is over a limit is dropped, counted, and told now and then."""
    microphone = _Microphone(call, guard)
    call.link.divert_audio(microphone.hear)
    for number in itertools.count(1):
        frame = await ws.receive()
        if frame["type"] == "websocket.disconnect":
            call.link.mark_gone()
            call.end("goodbye" if said_goodbye(frame) else "lost")
            return
        if (audio := frame.get("bytes")) is not None:
            microphone.hear(audio)
        else:
            await _on_text(call, guard, frame["text"])
        if number % FRAMES_IN_A_ROW == 0:
            await asyncio.sleep(0)


class _Microphone:
    """Takes the microphone's frames, straight from the server's socket where it can hand them on."""

    def __init__(self, call: Call, guard: ClientGuard) -> None:
        self._call = call
        self._guard = guard
        self._enough = False

    def hear(self, audio: bytes) -> None:
        if self._enough or self._call.over.done():
            return
        if self._call.reply is not None:
            self._call.reply.playout.sign_of_life()
        if (excess := self._guard.audio(len(audio))) is None:
            self._call.echo.microphone(audio)
            if dropped := self._call.microphone.put(audio):
                self._call.reporter.note(MicrophoneDropped(dropped))
        elif excess.tell:
            self._enough = excess.fatal
            self._call.spawn(self._call.over_limit(excess), "over-limit")
        else:
            self._call.reporter.note(LimitExceeded(excess.limit))


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
