"""The way of the caller's audio to the recogniser."""

from __future__ import annotations

import asyncio
import struct
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voice_host.call.echo import JITTER_S
from voice_host.call.microphone import MicrophoneBuffer
from voice_host.clients.audio import AudioDecoder
from voice_host.clients.protocol import AudioFormat
from voice_host.testing import run_in_virtual_time
from voice_host.testing.virtual_time import VirtualLoop


class Recogniser:
    """Takes what a microphone passes on, and notes when."""

    def __init__(self, microphone: MicrophoneBuffer, piece_ms: int = 20) -> None:
        self.received: list[tuple[float, bytes]] = []
        microphone.pass_on(self.take, piece_ms=piece_ms, tail_ms=1200)

    def take(self, pcm: bytes) -> None:
        self.received.append((asyncio.get_running_loop().time(), pcm))

    @property
    def heard(self) -> bytes:
        return b"".join(pcm for _, pcm in self.received)


def test_frames_of_any_size_come_out_as_whole_samples() -> None:
    @given(st.lists(st.binary(max_size=50), max_size=30))
    def check(frames: list[bytes]) -> None:
        microphone = MicrophoneBuffer(1000, buffer_s=10)
        recogniser = Recogniser(microphone, piece_ms=1)
        for frame in frames:
            assert microphone.put(frame) == 0
        microphone.close()
        sent = b"".join(frames)
        assert recogniser.heard == sent[: len(sent) & ~1]
        assert all(len(pcm) % 2 == 0 for _, pcm in recogniser.received)

    async def main() -> None:
        check()

    run_in_virtual_time(main())


@pytest.mark.fault("caller: floods audio")
def test_when_full_the_oldest_audio_goes_and_is_counted() -> None:
    async def main() -> None:
        microphone = MicrophoneBuffer(16000, buffer_s=10)
        second = 16000 * 2
        dropped = sum(microphone.put(bytes([number]) * second) for number in range(15))
        audio = Recogniser(microphone).heard
        microphone.close()
        assert len(audio) == 10 * second
        assert dropped == 5 * second
        assert audio[0] == 5
        assert audio[-1] == 14

    run_in_virtual_time(main())


@pytest.mark.parametrize(
    ("frame_ms", "piece_ms", "pieces_ms"),
    [(20, 20, [20] * 30), (20, 50, [60] * 10), (10, 20, [20] * 30), (64, 50, [64] * 9), (20, 32, [40] * 15)],
)
def test_a_frame_waits_only_for_what_the_recogniser_wants_at_least(
    frame_ms: int, piece_ms: int, pieces_ms: list[int]
) -> None:
    async def main() -> None:
        microphone = MicrophoneBuffer(16000, buffer_s=10)
        recogniser = Recogniser(microphone, piece_ms)
        for _ in range(600 // frame_ms):
            microphone.put(b"\x01\x00" * 16 * frame_ms)
        microphone.close()
        assert [len(pcm) // 32 for _, pcm in recogniser.received] == pieces_ms

    run_in_virtual_time(main())


def test_a_microphone_that_stops_is_followed_by_the_silence_that_ends_a_turn() -> None:
    async def main() -> None:
        microphone = MicrophoneBuffer(16000, buffer_s=10)
        recogniser = Recogniser(microphone, piece_ms=50)
        await asyncio.sleep(60)
        assert recogniser.received == []  # nobody has spoken: nothing is sent
        for _ in range(50):  # 20 ms frames; the last piece of 60 ms stays incomplete
            microphone.put(b"\x01\x00" * 320)
            await asyncio.sleep(0.02)
        assert [len(pcm) // 640 for _, pcm in recogniser.received] == [3] * 16
        await asyncio.sleep(60)
        silence_s = (len(recogniser.heard) - 50 * 640) / 32000
        assert recogniser.heard.startswith(b"\x01\x00" * 320 * 50)
        assert not any(recogniser.heard[50 * 640 :])
        assert 1.2 < silence_s < 3
        # In real time, never in a burst.
        times = [at for at, pcm in recogniser.received if not any(pcm)]
        assert all(later - earlier >= 0.24 for earlier, later in pairwise(times))
        microphone.put(b"\x02\x00" * 320)
        await asyncio.sleep(60)
        assert 1.2 < len(recogniser.heard.partition(b"\x02\x00" * 320)[2]) / 32000 < 3  # each time anew

    run_in_virtual_time(main())


def test_nothing_is_passed_on_once_it_is_closed() -> None:
    async def main() -> None:
        microphone = MicrophoneBuffer(16000, buffer_s=10)
        recogniser = Recogniser(microphone)
        microphone.put(b"\x01\x00" * 320)
        microphone.close()
        microphone.put(b"\x01\x00" * 320)
        await asyncio.sleep(60)
        assert recogniser.heard == b"\x01\x00" * 320

    run_in_virtual_time(main())


def test_a_network_that_hesitates_puts_no_silence_into_a_word() -> None:
    async def main() -> None:
        microphone = MicrophoneBuffer(16000, buffer_s=10)
        recogniser = Recogniser(microphone)
        for pause_s in (0.02, 0.02, 0.4, 0.02, 0.3, 0.02):
            microphone.put(b"\x01\x00" * 1000)
            await asyncio.sleep(pause_s)
        microphone.close()
        assert recogniser.heard == b"\x01\x00" * 6000

    run_in_virtual_time(main())


def test_an_event_loop_that_stood_still_puts_no_silence_into_a_word() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        microphone = MicrophoneBuffer(16000, buffer_s=10)
        recogniser = Recogniser(microphone)

        async def speak() -> None:
            for _ in range(4):  # as many steps as from a socket to the microphone
                await asyncio.sleep(0)
            microphone.put(b"\x01\x00" * 1000)

        for _ in range(3):
            await speak()
            await asyncio.sleep(0.01)
            loop.now_s += 0.6
        microphone.close()
        assert recogniser.heard == b"\x01\x00" * 3000

    run_in_virtual_time(main())


def test_a_turn_that_the_client_ends_is_followed_by_silence_at_once() -> None:
    async def check() -> None:
        microphone = MicrophoneBuffer(1000, buffer_s=10)
        recogniser = Recogniser(microphone)
        microphone.put(b"\1" * 200)
        microphone.end_turn()
        assert recogniser.heard == b"\1" * 200 + bytes(2 * 2200)  # 1.2 s and a margin
        microphone.close()

    run_in_virtual_time(check())


def test_a_telephones_frames_are_decoded_a_piece_at_a_time_and_nothing_waits_longer() -> None:
    class Counting(AudioDecoder):
        decoded = 0

        def decode(self, data: bytes) -> bytes:
            self.decoded += 1
            return super().decode(data)

    async def main() -> None:
        heard: list[bytes] = []
        microphone = MicrophoneBuffer(16000, 10, heard.append)
        recogniser = Recogniser(microphone, piece_ms=50)
        decoder = Counting(AudioFormat("mulaw", 8000), 16000)
        voice = [bytes([number % 100]) * 160 for number in range(30)]
        for frame in voice:
            microphone.put(frame, decoder)
        whole = AudioDecoder(AudioFormat("mulaw", 8000), 16000).decode(b"".join(voice))
        assert recogniser.heard == whole[: len(recogniser.heard)]
        assert len(whole) - len(recogniser.heard) < 50 * 32  # less than a piece waits
        assert decoder.decoded == 10
        assert all(len(pcm) >= 50 * 32 for _, pcm in recogniser.received)
        microphone.end_turn()
        assert recogniser.heard.startswith(whole)
        assert b"".join(heard) == whole  # without the silence after it
        microphone.close()

    run_in_virtual_time(main())


def test_what_came_before_the_format_changed_is_decoded_as_before() -> None:
    async def main() -> None:
        microphone = MicrophoneBuffer(16000, 10)
        recogniser = Recogniser(microphone, piece_ms=50)
        microphone.put(bytes(640), AudioDecoder(AudioFormat(), 16000))
        microphone.put(b"\x80" * 480, AudioDecoder(AudioFormat("mulaw", 16000), 16000))
        assert recogniser.heard == bytes(640) + struct.pack("<h", 32124) * 480
        microphone.close()

    run_in_virtual_time(main())


@pytest.mark.parametrize("frames", [1, 9, 14])
def test_the_echo_guard_hears_what_came_before_a_gap_while_it_still_knows_when_that_was(frames: int) -> None:
    """The last frames, less than a piece, wait neither for more audio nor until the gap counts as silence.

    The guard takes audio that is later than `JITTER_S` for new: an echo in it would be compared with the wrong speech.
    """

    async def main() -> None:
        now_s, heard = asyncio.get_running_loop().time, bytearray()
        late_s: list[float] = []

        def hear(pcm: bytes) -> None:
            heard.extend(pcm)
            late_s.append(now_s() - began_s - len(heard) / 32000)

        microphone = MicrophoneBuffer(16000, 10, hear)
        recogniser = Recogniser(microphone, piece_ms=100)
        decoder, began_s = AudioDecoder(AudioFormat("mulaw", 16000), 16000), now_s()
        for _ in range(frames):
            await asyncio.sleep(0.02)
            microphone.put(b"\x20" * 320, decoder)
        await asyncio.sleep(JITTER_S)
        assert len(heard) == frames * 640
        assert max(late_s) < JITTER_S
        microphone.put(b"\x20" * 320 * 5, decoder)
        assert recogniser.heard == heard  # a gap this short puts no silence into a word
        microphone.close()

    run_in_virtual_time(main())
