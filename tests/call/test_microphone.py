"""The way of the caller's audio to the recogniser."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voice_host.call.microphone import MicrophoneBuffer, feed
from voice_host.testing import run_in_virtual_time
from voice_host.testing.virtual_time import VirtualLoop
from voice_host_sdk import STTConfig


@given(st.lists(st.binary(max_size=50), max_size=30))
def test_frames_of_any_size_come_out_as_whole_samples(frames: list[bytes]) -> None:
    microphone = MicrophoneBuffer(16000, buffer_s=10)
    for frame in frames:
        assert microphone.put(frame) == 0
    sent = b"".join(frames)
    assert microphone.take() == sent[: len(sent) & ~1]


@pytest.mark.fault("caller: floods audio")
def test_when_full_the_oldest_audio_goes_and_is_counted() -> None:
    async def main() -> None:
        microphone = MicrophoneBuffer(16000, buffer_s=10)
        second = 16000 * 2
        dropped = sum(microphone.put(bytes([number]) * second) for number in range(15))
        audio = await microphone.get()
        assert len(audio) == 10 * second
        assert dropped == 5 * second
        assert audio[0] == 5
        assert audio[-1] == 14

    asyncio.run(main())


class Recogniser:
    def __init__(self) -> None:
        self.received: list[tuple[float, bytes]] = []

    async def send_audio(self, pcm: bytes) -> None:
        self.received.append((asyncio.get_running_loop().time(), pcm))


def test_a_microphone_that_stops_is_followed_by_the_silence_that_ends_a_turn() -> None:
    async def main() -> None:
        microphone, recogniser = MicrophoneBuffer(16000, buffer_s=10), Recogniser()
        feeding = asyncio.create_task(feed(microphone, recogniser, STTConfig()))  # type: ignore[arg-type]
        await asyncio.sleep(60)
        assert recogniser.received == []  # nobody has spoken: nothing is sent
        for _ in range(50):  # 20 ms frames; the last batch of 60 ms stays incomplete
            microphone.put(b"\x01\x00" * 320)
            await asyncio.sleep(0.02)
        batches = [len(pcm) // 640 for _, pcm in recogniser.received]
        assert batches == [3] * 16
        await asyncio.sleep(60)
        feeding.cancel()
        await asyncio.wait([feeding])
        spoken = b"".join(pcm for _, pcm in recogniser.received)
        silence_s = (len(spoken) - 50 * 640) / 32000
        assert spoken.startswith(b"\x01\x00" * 320 * 50)
        assert not any(spoken[50 * 640 :])
        assert 1.2 < silence_s < 3
        # In real time, never in a burst.
        times = [at for at, pcm in recogniser.received if not any(pcm)]
        assert all(later - earlier >= 0.24 for earlier, later in pairwise(times))

    run_in_virtual_time(main())


def test_a_network_that_hesitates_puts_no_silence_into_a_word() -> None:
    async def main() -> None:
        microphone, recogniser = MicrophoneBuffer(16000, buffer_s=10), Recogniser()
        feeding = asyncio.create_task(feed(microphone, recogniser, STTConfig()))  # type: ignore[arg-type]
        for pause_s in (0.02, 0.02, 0.4, 0.02, 0.3, 0.02):
            microphone.put(b"\x01\x00" * 1000)
            await asyncio.sleep(pause_s)
        assert b"".join(pcm for _, pcm in recogniser.received) == b"\x01\x00" * 6000
        feeding.cancel()
        await asyncio.wait([feeding])

    run_in_virtual_time(main())


def test_an_event_loop_that_stood_still_puts_no_silence_into_a_word() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        microphone, recogniser = MicrophoneBuffer(16000, buffer_s=10), Recogniser()
        feeding = asyncio.create_task(feed(microphone, recogniser, STTConfig()))  # type: ignore[arg-type]

        async def speak() -> None:
            for _ in range(4):  # as many steps as from a socket to the microphone
                await asyncio.sleep(0)
            microphone.put(b"\x01\x00" * 1000)

        for _ in range(3):
            await speak()
            await asyncio.sleep(0.01)
            loop.now_s += 0.6
        assert b"".join(pcm for _, pcm in recogniser.received) == b"\x01\x00" * 3000
        feeding.cancel()
        await asyncio.wait([feeding])

    run_in_virtual_time(main())
