"""What the tests of turn-taking need of a call beyond the test kit: events at given times, and when audio came."""

from __future__ import annotations

import asyncio

from voice_host.testing import TestCall
from voice_host_sdk import SpeechEnded, SpeechEvent, SpeechStarted, Transcript

STARTED, ENDED = SpeechStarted(), SpeechEnded()
QUESTION = "Shall I book the table by the window for you?"
STATEMENT = "We open at nine in the morning and we close at ten in the evening."


def partial(text: str) -> Transcript:
    return Transcript(text)


def final(text: str) -> Transcript:
    return Transcript(text, final=True)


async def hear(call: TestCall, *script: tuple[float, SpeechEvent]) -> None:
    """Let the recogniser give events, each so many seconds after now."""
    begun_s = call.now_s
    for at_s, event in script:
        await asyncio.sleep(max(0.0, begun_s + at_s - call.now_s))
        call.ears.hear(event)
    await asyncio.sleep(0.001)


async def hear_into_reply(call: TestCall, *script: tuple[float, SpeechEvent]) -> None:
    """As `hear`, counted from the moment at which the next reply becomes audible."""
    begun_s = await audible_s(call)
    await hear(call, *((begun_s + at_s - call.now_s, event) for at_s, event in script))


async def audible_s(call: TestCall) -> float:
    """Wait until the next reply becomes audible, and return when that was."""
    begun_s = (await call.audible_reply()).audible_s
    assert begun_s is not None
    return begun_s


def audio_times(call: TestCall) -> list[float]:
    """Return a list to which the time of every audio frame is added that the caller gets from now on."""
    times: list[float] = []
    call.on_audio(lambda _: times.append(call.now_s))
    return times


def turns(call: TestCall) -> list[str]:
    return [frame["text"] for frame in call.frames if frame["type"] == "turn"]
