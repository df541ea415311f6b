"""The parts of listening that need no socket: replay, the watchdog for silent recognisers, retries."""

from __future__ import annotations

import asyncio
import copy
import wave
from collections.abc import AsyncIterator, Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from voice_host.call.events import CallEvent
from voice_host.call.listening import MAX_REPLAYS, RETRY_FIRST_S, RETRY_MAX_S, Listening
from voice_host.call.microphone import MicrophoneBuffer
from voice_host.call.replay_buffer import ReplayBuffer
from voice_host.call.stt_watchdog import Loudness, SttWatchdog
from voice_host.settings import ResilienceSettings
from voice_host.testing import run_in_virtual_time
from voice_host_sdk import ProviderError, SpeechEnded, SpeechEvent, SpeechStarted, STTConfig, Transcript

HZ = 1000
"""2 bytes a millisecond: easy to count."""


def handed_out(buffer: ReplayBuffer) -> bytes:
    return b"".join(piece.pcm for piece in iter(buffer.next, None))


# --- what is replayed ---


def test_a_new_line_hears_what_no_turn_was_made_of_and_then_what_came_meanwhile() -> None:
    buffer = ReplayBuffer(HZ, 10)
    buffer.add(b"ab" * 100, loud=True)
    handed_out(buffer)
    buffer.commit(keep_ms=0)
    buffer.add(b"cd" * 100, loud=True)
    handed_out(buffer)
    buffer.add(b"ef" * 100, loud=True)
    buffer.rewind(trim=False)
    assert handed_out(buffer) == b"cd" * 100 + b"ef" * 100


def test_the_silence_that_ended_a_turn_is_kept_for_the_next_one() -> None:
    buffer = ReplayBuffer(HZ, 10)
    buffer.add(b"ab" * 300 + b"\0\0" * 400, loud=True)
    handed_out(buffer)
    buffer.commit(keep_ms=400)
    buffer.rewind(trim=False)
    assert handed_out(buffer) == b"\0\0" * 400


def test_the_oldest_goes_when_it_is_full_and_only_what_nobody_heard_is_counted() -> None:
    buffer = ReplayBuffer(HZ, 1)
    assert buffer.add(b"ab" * 500, loud=True) == 0
    handed_out(buffer)
    assert buffer.add(b"cd" * 1000, loud=True) == 0
    assert buffer.add(b"ef" * 500, loud=True) == 1000
    buffer.rewind(trim=False)
    assert handed_out(buffer) == b"cd" * 500 + b"ef" * 500


def test_silence_at_the_front_is_left_out_but_for_a_run_up() -> None:
    buffer = ReplayBuffer(HZ, 60)
    for _ in range(100):
        buffer.add(b"\0\0" * 100, loud=False)
    buffer.add(b"ab" * 100, loud=True)
    buffer.add(b"\0\0" * 100, loud=False)
    buffer.rewind(trim=True)
    assert handed_out(buffer) == b"\0\0" * 500 + b"ab" * 100 + b"\0\0" * 100


@given(st.lists(st.tuples(st.sampled_from(["add", "next", "rewind", "commit"]), st.integers(0, 900)), max_size=40))
def test_nothing_is_handed_out_twice_in_a_row_and_memory_is_bounded(steps: list[tuple[str, int]]) -> None:
    buffer, written, position = ReplayBuffer(HZ, 2), 0, 0
    for step, size in steps:
        if step == "add":
            pcm = b"".join((written + at).to_bytes(2, "little") for at in range(size))
            written += size
            buffer.add(pcm, loud=True)
        elif step == "next":
            if (piece := buffer.next()) is not None:
                first = int.from_bytes(piece.pcm[:2], "little")
                assert first >= position
                position = first + len(piece.pcm) // 2
        elif step == "commit":
            buffer.commit(size)
        else:
            buffer.rewind(trim=False)
            position = 0
        assert len(buffer) <= 2 * HZ * 2
    rest = handed_out(buffer)
    assert not rest or int.from_bytes(rest[-2:], "little") == written - 1


@example([("quiet", 100)] * 9 + [("loud", 900)] * 3 + [("next", 1)])
@given(st.lists(st.tuples(st.sampled_from(["quiet", "loud", "next"]), st.integers(1, 900)), max_size=60))
def test_silence_that_is_forgotten_would_not_have_been_heard_again(steps: list[tuple[str, int]]) -> None:
    forgetting, keeping = ReplayBuffer(HZ, 600), ReplayBuffer(HZ, 600)
    for number, (step, size) in enumerate(steps):
        for buffer in (forgetting, keeping):
            if step == "next":
                handed_out(buffer)
            else:
                buffer.add(number.to_bytes(2, "little") * size, loud=step == "loud")
        forgetting.forget_silence(2000)
    lost_before_a_turn = [handed_out(again(buffer, trim=True)) for buffer in (forgetting, keeping)]
    assert lost_before_a_turn[0] == lost_before_a_turn[1]
    lost_within_it = []
    for buffer in (forgetting, keeping):
        buffer.commit(2000)
        lost_within_it.append(handed_out(again(buffer, trim=False)))
    assert lost_within_it[0] == lost_within_it[1]


def again(buffer: ReplayBuffer, *, trim: bool) -> ReplayBuffer:
    buffer = copy.deepcopy(buffer)
    buffer.rewind(trim=trim)
    return buffer


def test_of_a_caller_who_only_listens_little_is_kept() -> None:
    buffer = ReplayBuffer(HZ, 60)
    for _ in range(1000):
        buffer.add(b"\0\0" * 60, loud=False)
        buffer.next()
        buffer.forget_silence(2000)
    assert 2000 <= len(buffer) / 2 < 2000 + 60


def after_a_turn(*then: tuple[int, bool]) -> ReplayBuffer:
    """A turn whose end is kept, and then audio: its length in ms, and whether it is loud."""
    buffer = ReplayBuffer(HZ, 60)
    for number in range(10):
        buffer.add(number.to_bytes(2, "little") * 60, loud=True)
    handed_out(buffer)
    buffer.commit(400, turn_over=True)
    for length_ms, loud in then:
        for _ in range(length_ms // 60):
            buffer.add((b"ab" if loud else b"\0\0") * 60, loud=loud)
            buffer.next()
            buffer.forget_silence(2000)
    return buffer


def test_the_end_of_a_turn_is_forgotten_in_the_silence_that_follows() -> None:
    assert 2000 <= len(after_a_turn((6000, False))) / 2 < 2000 + 60


def test_the_end_of_a_turn_is_kept_as_long_as_speech_may_go_on_in_it() -> None:
    assert len(after_a_turn((60, True), (6000, False))) / 2 == 400 + 60 + 6000
    assert len(after_a_turn((60, False), (60, True), (6000, False))) / 2 == 400 + 60 + 60 + 6000
    new_line = again(after_a_turn((600, False)), trim=True)
    assert handed_out(new_line)[:2] == (3).to_bytes(2, "little"), "a line that is lost now hears all of it"


# --- loudness and the watchdog ---


@pytest.mark.parametrize("clip", ["go_forward_ten_meters", "one_two_three", "whats_the_weather_like"])
def test_speech_is_loud_and_steady_noise_is_not(clip: str) -> None:
    with wave.open(str(Path(__file__).parents[1] / "data" / f"{clip}.wav")) as file:
        pcm = file.readframes(file.getnframes())
    assert loud_ms(pcm) > 700
    noise = b"".join((((at * 7919) % 4001) - 2000).to_bytes(2, "little", signed=True) for at in range(16_000 * 30))
    assert loud_ms(noise) < 3000
    assert loud_ms(bytes(32_000)) == 0


def loud_ms(pcm: bytes) -> int:
    loudness = Loudness(16_000)
    return 60 * sum(loudness.is_loud(pcm[start : start + 1920]) for start in range(0, len(pcm), 1920))


def test_a_watchdog_that_was_wrong_is_more_patient() -> None:
    watchdog = SttWatchdog(2)
    assert [watchdog.sent(1) for _ in range(6)] == [False, True, False, False, False, True]
    watchdog.heard()
    assert [watchdog.sent(1) for _ in range(2)] == [False, True]


# --- lines one after the other, in virtual time ---


class Line:
    """Gives its events, then fails."""

    def __init__(self, *events: SpeechEvent, lives_s: float = 0.0, code: str = "stt_closed") -> None:
        self._events, self._lives_s, self._code = events, lives_s, code
        self.heard = b""

    async def send_audio(self, pcm: bytes) -> None:
        self.heard += pcm

    async def __aiter__(self) -> AsyncIterator[SpeechEvent]:
        for event in self._events:
            yield event
        await asyncio.sleep(self._lives_s)
        raise ProviderError("Gone.", code=self._code)

    async def aclose(self) -> None: ...


class Watched:
    """A listening whose lines come from a function, and what it said."""

    def __init__(self, connect: Callable[[], Any], **resilience: float) -> None:
        self.events: list[SpeechEvent] = []
        self.told: list[str] = []
        self.connects: list[float] = []
        self.noted: list[CallEvent] = []
        self.microphone = MicrophoneBuffer(16_000, 10)
        self._lines = connect
        self.listening = Listening(
            STTConfig(),
            ResilienceSettings.model_validate(resilience),
            connect=self._connect,
            on_event=self._event,
            on_outage=self._outage,
            on_recovery=self._recovery,
            note=self.noted.append,
        )

    async def _connect(self) -> Any:
        self.connects.append(asyncio.get_running_loop().time())
        return self._lines()

    async def _event(self, event: SpeechEvent) -> None:
        self.events.append(event)

    async def _outage(self, error: ProviderError) -> None:
        self.told.append(error.code)

    async def _recovery(self) -> None:
        self.told.append("back")

    def run(self, seconds: float) -> None:
        async def main() -> None:
            task = asyncio.create_task(self.listening.run(self.microphone))
            await asyncio.wait([task], timeout=seconds)
            task.cancel()
            await asyncio.wait([task])

        run_in_virtual_time(main())


def unreachable() -> Any:
    raise ProviderError("Nobody there.", code="stt_unreachable")


def test_a_service_that_is_away_for_minutes_is_asked_less_and_less_and_told_of_once() -> None:
    watched = Watched(unreachable)
    watched.run(300)
    assert watched.told == ["stt_unreachable"]
    assert 300 / 8 - 2 < len(watched.connects) < 300 / 8 + 8


def test_a_line_that_closes_at_once_again_and_again_is_backed_off_from_and_told_of() -> None:
    watched = Watched(Line)
    watched.run(60)
    assert watched.told == ["stt_closed"]
    assert len(watched.connects) < 15


def test_lines_that_live_are_replaced_without_a_word() -> None:
    watched = Watched(lambda: Line(lives_s=30, code="stt_expired"))
    watched.run(300)
    assert watched.told == []
    assert len(watched.connects) == 10


def test_an_outage_that_ends_is_told_if_its_beginning_was() -> None:
    lines = iter([unreachable] * 8 + [lambda: Line(lives_s=1000)])
    watched = Watched(lambda: next(lines)())
    watched.run(60)
    assert watched.told == ["stt_unreachable", "back"]


def test_an_error_that_cannot_be_helped_ends_it_and_nobody_is_told_that_it_is_back() -> None:
    def refused() -> Any:
        raise ProviderError("No.", code="stt_auth", retryable=False)

    lines = iter([unreachable] * 8 + [refused])
    watched = Watched(lambda: next(lines)())
    watched.run(60)
    assert watched.told == ["stt_unreachable"]
    assert len(watched.connects) == 9


def test_what_a_lost_line_left_open_is_closed() -> None:
    lines = iter([Line(SpeechStarted(), Transcript("one")), Line(lives_s=1000)])
    watched = Watched(lambda: next(lines))
    watched.run(10)
    assert watched.events == [SpeechStarted(), Transcript("one"), SpeechEnded()]


@pytest.mark.parametrize("lines_s", [1, 5])
def test_a_recogniser_that_takes_no_audio_is_given_up(lines_s: float) -> None:
    class Stuck(Line):
        async def send_audio(self, pcm: bytes) -> None:
            await asyncio.sleep(1000)

    watched = Watched(lambda: Stuck(lives_s=1000), stt_send_timeout_s=lines_s)
    watched.microphone.put(bytes(32_000))
    watched.run(10)
    first, second, *_ = watched.connects
    assert second - first == pytest.approx(lines_s, abs=0.5)


def test_waits_grow_from_the_first_to_the_longest() -> None:
    watched = Watched(unreachable)
    watched.run(200)
    waits = [later - earlier for earlier, later in pairwise(watched.connects)]
    assert RETRY_FIRST_S <= waits[0] <= 2 * RETRY_FIRST_S
    assert RETRY_MAX_S <= max(waits) <= 2 * RETRY_MAX_S


def test_audio_that_breaks_every_line_is_dropped_in_the_end() -> None:
    poison = b"\xff\x7f\x00\x80"
    lines: list[Line] = []

    class Poisoned(Line):
        def __init__(self) -> None:
            super().__init__()
            self.poisoned = asyncio.Event()

        async def send_audio(self, pcm: bytes) -> None:
            await super().send_audio(pcm)
            if poison in pcm:
                self.poisoned.set()

        async def __aiter__(self) -> AsyncIterator[SpeechEvent]:
            await self.poisoned.wait()
            raise ProviderError("Broken.", code="stt_failed")
            yield

    def connect() -> Line:
        lines.append(Poisoned())
        return lines[-1]

    watched = Watched(connect)
    watched.microphone.put(poison * 1000)
    watched.run(120)
    assert len(lines) == MAX_REPLAYS + 1
    assert poison not in lines[-1].heard


def test_a_call_that_ends_while_its_line_breaks_ends_the_listening() -> None:
    """Found by the soak: the task group of the line was waiting for a child, with an error, when it was cancelled."""

    class Sticky(Line):
        sending = False

        async def send_audio(self, pcm: bytes) -> None:
            try:
                self.sending = True
                await asyncio.sleep(1000)
            finally:
                await asyncio.sleep(1)  # the socket closes

    line = Sticky(lives_s=1)

    async def main() -> None:
        watched = Watched(lambda: line)
        task = asyncio.create_task(watched.listening.run(watched.microphone))
        await asyncio.sleep(0.1)
        watched.microphone.put(bytes(3200))
        await asyncio.sleep(1.4)
        assert line.sending
        task.cancel()
        _, running = await asyncio.wait([task], timeout=30)
        assert not running
        assert task.cancelled()
        assert len(watched.connects) == 1

    run_in_virtual_time(main())
