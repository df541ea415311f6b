"""The caller's loudspeaker: what a caller has heard, however much was sent ahead."""

from __future__ import annotations

import asyncio

from voice_host.caller.loudspeaker import Loudspeaker
from voice_host.testing import in_virtual_time

RATE = 24000


def pcm(ms: int, level: int = 1) -> bytes:
    return bytes([level, 0]) * (ms * RATE // 1000)


def loudspeaker() -> Loudspeaker:
    made = Loudspeaker()
    made.start(RATE)
    return made


@in_virtual_time
async def test_what_was_cut_was_not_heard() -> None:
    speaker = loudspeaker()
    speaker.play(pcm(500))
    await asyncio.sleep(0.2)
    speaker.drop()
    speaker.play(pcm(100, 2))
    await speaker.finished()
    assert speaker.played == pcm(200) + pcm(100, 2)


@in_virtual_time
async def test_a_pause_is_exact_and_loses_nothing() -> None:
    speaker = loudspeaker()
    speaker.play(pcm(300))
    speaker.end()
    await asyncio.sleep(0.3)
    speaker.play(pcm(500, 2))
    await asyncio.sleep(0.2)
    assert speaker.hold() == 200  # of the second reply
    await asyncio.sleep(3)
    assert len(speaker.played) == len(pcm(500))
    speaker.release()
    began_s = asyncio.get_running_loop().time()
    await speaker.finished()
    assert round(asyncio.get_running_loop().time() - began_s, 3) == 0.3
    assert speaker.played == pcm(300) + pcm(500, 2)


@in_virtual_time
async def test_silence_between_two_pieces_is_not_made_up_for() -> None:
    speaker = loudspeaker()
    speaker.play(pcm(100))
    await asyncio.sleep(5)
    speaker.play(pcm(100))
    assert len(speaker.played) == len(pcm(100))
    await asyncio.sleep(0.05)
    assert len(speaker.played) == len(pcm(150))
    await speaker.finished()
    assert len(speaker.played) == len(pcm(200))
