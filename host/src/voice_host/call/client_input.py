"""Reads the client: passes audio to the microphone buffer, and everything else to the turn engine."""

from __future__ import annotations

import asyncio
import itertools

from voice_host.admission import ClientGuard, Violation
from voice_host.call.call import Call
from voice_host.call.cut import note_played, take_last_report
from voice_host.call.events import LimitExceeded, MicrophoneDropped, Problem
from voice_host.clients.protocol import (
    Answer,
    Audio,
    ClientEvent,
    Commit,
    Configured,
    Discard,
    Dtmf,
    Frame,
    Goodbye,
    Malformed,
    Played,
    Reset,
    Respond,
    SpeechWanted,
    Stop,
    TurnMode,
    Typed,
)
from voice_host.clients.transport import Disconnected
from voice_host.turns import events as turns

FRAMES_IN_A_ROW = 32
"""Frames that are read in a row without yielding to other calls."""


async def read_client(call: Call, guard: ClientGuard) -> None:
    """Read the client until it disconnects. What exceeds a limit is dropped and counted, and the client warned."""
    direct = _Direct(call, guard)
    call.client.divert(direct.hear, direct.note)
    for number in itertools.count(1):
        frame = await call.client.receive()
        if isinstance(frame, Disconnected):
            call.phone.hung_up("goodbye" if frame.on_purpose else "lost")
            return
        for event in await _read(call, guard, frame):
            await _take(call, guard, direct, event, len(frame))
        if number % FRAMES_IN_A_ROW == 0:
            await asyncio.sleep(0)


async def _read(call: Call, guard: ClientGuard, frame: Frame) -> list[ClientEvent]:
    """Return the events in a frame, if it is within the limits. Limits on audio are checked by `_Direct`."""
    asked, violation = False, None

    def admit(*, report: bool = False) -> bool:
        nonlocal asked, violation
        asked, violation = True, guard.message(frame)
        return violation is None

    events = call.client.read(frame, admit)
    only_audio = all(isinstance(event, Audio | Configured) for event in events)
    if not asked and not (only_audio and (events or isinstance(frame, bytes))):
        admit()  # a frame of audio that is invalid, or a protocol that does not ask
    if violation is not None:
        await call.over_limit(violation)
        return []
    return events


class _Direct:
    """Takes what clients send all the time, directly from the server's socket if the server supports it."""

    def __init__(self, call: Call, guard: ClientGuard) -> None:
        self._call = call
        self._guard = guard
        self._closed = False

    def hear(self, data: bytes, frame_size: int) -> None:
        """Take audio, as the client sent it, of a frame of a certain length."""
        decoder = self._call.client.decoder
        if self._closed or self._call.over.done():
            return
        if self._call.reply is not None:
            self._call.reply.playout.note_liveness()
        if (violation := self._guard.audio(int(decoder.size(data)), frame_size)) is None:
            if dropped := self._call.microphone.put(data, decoder):
                self._call.reporter.note(MicrophoneDropped(dropped))
        else:
            self._refuse(violation)

    def note(self, played: Played, frame: Frame) -> None:
        """Take a report of how much was played, and its frame."""
        if self._closed or self._call.over.done():
            return
        if (violation := self._guard.message(frame)) is None:
            note_played(self._call, played)
        else:
            self._refuse(violation)

    def _refuse(self, violation: Violation) -> None:
        if violation.notify:
            self._closed = violation.fatal
            self._call.spawn(self._call.over_limit(violation), "over-limit")
        else:
            self._call.reporter.note(LimitExceeded(violation.limit))


async def _take(call: Call, guard: ClientGuard, direct: _Direct, event: ClientEvent, frame_size: int) -> None:
    match event:
        case Audio(data):
            direct.hear(data, frame_size)
        case Typed(text):
            if violation := guard.typed(text):
                await call.over_limit(violation, unanswered=True)
            else:
                await call.dispatch(turns.TurnFinished(text, typed=True))
        case Stop(withdraws):
            if withdraws:
                await call.manual.withdraw()
            await call.dispatch(turns.StopRequested())
        case Reset():
            await call.dispatch(turns.ResetRequested())
        case Played(stopped=True):
            await take_last_report(call, event)
        case Played():
            note_played(call, event)
        case TurnMode(manual):
            call.manual.on = manual
        case Commit():
            if call.manual.on:
                call.spawn(call.manual.commit(), "commit")
            else:
                call.microphone.end_turn()
        case Discard():
            call.manual.discard()
        case Respond(text):
            await call.manual.respond(text)
        case SpeechWanted(wanted):
            call.speech_wanted = wanted
        case Answer(frames):
            await call.client.send(frames)
        case Malformed(message, ()):
            await call.report("bad_message", message)
        case Malformed(message, answer):
            call.reporter.note(Problem("bad_message", message))
            await call.client.send(answer)
        case Dtmf(key):
            await call.phone.press(key)
        case Goodbye():
            call.phone.hung_up("goodbye")
