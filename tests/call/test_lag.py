"""A client that is slow to take speech, in virtual time: what is skipped, what is not, and what counts as heard."""

from __future__ import annotations

import asyncio
import math
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voice_host.call.heard import SKIPPED, HeardText, SpokenClause, unheard
from voice_host.call.latency import Stages
from voice_host.call.playout import FRAME_MS, Playout
from voice_host.call.playout_clock import PlayoutClock
from voice_host.call.reply import Reply
from voice_host.conversation.history import CUT_MARK, SKIPPED_MARK
from voice_host.testing import run_in_virtual_time
from voice_host_sdk import SpeechAudio, WordTiming

RATE = 8000
LEAD_MS = 200.0


def speech(first_ms: int, duration_ms: int) -> bytes:
    """Speech whose samples say at which ms of the reply they are played."""
    return b"".join(struct.pack("<h", at_ms) * (RATE // 1000) for at_ms in range(first_ms, first_ms + duration_ms))


def positions(pcm: bytes) -> list[int]:
    """The ms of the reply that are in this audio, even if only in part."""
    return sorted(set(struct.unpack(f"<{len(pcm) // 2}h", pcm)))


@dataclass(frozen=True)
class Stall:
    """The client takes nothing for so long from then on."""

    at_ms: float
    duration_ms: float


class SlowLine:
    """A client that stalls, and notes what it takes. Time is in ms since it was made."""

    def __init__(self, stalls: Iterable[Stall] = (), *, max_lag_ms: float = 500) -> None:
        self.stalls = list(stalls)
        self.taken: list[tuple[float, bytes]] = []
        self.skipped: list[float] = []
        self.made_ms = 0
        self._began_s = asyncio.get_running_loop().time()
        self.playout = Playout(
            self._send,
            sample_rate=RATE,
            lead_ms=LEAD_MS,
            buffer_s=4,
            max_lag_s=max_lag_ms / 1000,
            on_first_audio=self._on_first,
            on_skipped=self.skipped.append,
            clock=asyncio.get_running_loop().time,
        )

    @property
    def now_ms(self) -> float:
        return (asyncio.get_running_loop().time() - self._began_s) * 1000

    async def _send(self, pcm: bytes) -> None:
        for stall in self.stalls:
            if stall.at_ms <= self.now_ms < stall.at_ms + stall.duration_ms:
                await asyncio.sleep((stall.at_ms + stall.duration_ms - self.now_ms) / 1000)
        self.taken.append((self.now_ms, pcm))

    async def _on_first(self) -> None: ...

    async def until(self, at_ms: float) -> None:
        await asyncio.sleep(max(0.0, at_ms - self.now_ms) / 1000)

    async def speak(self, *chunks_ms: int) -> None:
        for chunk_ms in chunks_ms:
            await self.playout.write(SpeechAudio(speech(self.made_ms, chunk_ms)))
            self.made_ms += chunk_ms

    @property
    def received(self) -> list[int]:
        return positions(b"".join(pcm for _, pcm in self.taken))

    @property
    def silent_at_ms(self) -> float:
        """When a client that plays as it receives has played everything."""
        plays_until = 0.0
        for at_ms, pcm in self.taken:
            plays_until = max(plays_until, at_ms) + len(pcm) / (RATE * 2 / 1000)
        return plays_until


Script = list[tuple[int, int]]
"""The voice: after how many ms it has so many ms of speech, at the earliest."""


async def played(script: Script, stalls: Iterable[Stall], max_lag_ms: float) -> SlowLine:
    line = SlowLine(stalls, max_lag_ms=max_lag_ms)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(line.playout.run())
        due_ms = 0
        for pause_ms, chunk_ms in script:
            due_ms += pause_ms
            await line.until(due_ms)
            await line.speak(chunk_ms)
        line.playout.complete()
    return line


scripts = st.lists(st.tuples(st.sampled_from([0, 0, 0, 100, 400, 3000]), st.integers(1, 900)), min_size=1, max_size=25)
stalls_of_a_call = st.lists(st.builds(Stall, st.integers(0, 12_000), st.integers(1, 9000)), max_size=5)


@given(scripts, stalls_of_a_call, st.integers(100, 3000))
def test_whatever_stalls_there_are_the_caller_is_back_in_time(
    script: Script, stalls: list[Stall], max_lag_ms: int
) -> None:
    async def main() -> None:
        ideal = await played(script, [], max_lag_ms)
        line = await played(script, stalls, max_lag_ms)
        made = list(range(sum(chunk_ms for _, chunk_ms in script)))
        assert ideal.received == made
        assert not ideal.skipped
        # Each sample comes once and in order, and what does not come is counted.
        sent = [position for _, pcm in line.taken for position in struct.unpack(f"<{len(pcm) // 2}h", pcm)]
        assert all(before <= after for before, after in pairwise(sent))
        counted_ms = sum(line.skipped) * 1000
        assert len(sent) / (RATE // 1000) + counted_ms == pytest.approx(len(made))
        # The reply is over as if nothing had happened, less the tolerance; or else with what the client took last.
        last_at_ms, last = line.taken[-1]
        at_once_ms = last_at_ms + len(last) / (RATE * 2 / 1000)
        assert line.silent_at_ms <= max(ideal.silent_at_ms + max_lag_ms + 1, at_once_ms + 1)

    run_in_virtual_time(main())


jitter = st.builds(Stall, st.integers(300, 5500), st.integers(1, int(LEAD_MS - FRAME_MS) - 10))


@given(st.lists(jitter, max_size=5, unique_by=lambda stall: stall.at_ms // 500))
def test_jitter_that_the_lead_covers_costs_nothing(stalls: list[Stall]) -> None:
    async def main() -> None:
        line = await played([(0, 6000)], stalls, 300)
        assert not line.skipped

    run_in_virtual_time(main())


def test_a_stall_within_the_tolerance_delays_and_skips_nothing() -> None:
    async def main() -> None:
        line = await played([(0, 3000)], [Stall(1000, 600)], 500)
        assert line.received == list(range(3000))
        assert not line.skipped
        assert 3300 < line.silent_at_ms < 3500

    run_in_virtual_time(main())


def test_a_platform_may_have_late_speech_sent_all_the_same() -> None:
    async def main() -> None:
        line = await played([(0, 500)] * 20, [Stall(1000, 9000)], math.inf)
        assert line.received == list(range(10_000))

    run_in_virtual_time(main())


def test_lags_add_up_and_a_pause_of_the_voice_makes_up_for_them() -> None:
    async def main() -> None:
        many = [Stall(1000, 500), Stall(3000, 500)]  # each leaves the client dry for some 300 ms
        assert sum((await played([(0, 6000)], many, 500)).skipped) > 0.5
        paused = await played([(0, 2000), (2500, 4000)], many, 500)
        assert not paused.skipped

    run_in_virtual_time(main())


def test_a_voice_that_brings_nothing_is_no_stall() -> None:
    async def main() -> None:
        line = await played([(0, 500), (5000, 500), (5000, 500)], [], 1)
        assert line.received == list(range(1500))
        assert not line.skipped

    run_in_virtual_time(main())


@pytest.mark.parametrize("stalls", [[], [Stall(950, 400)], [Stall(1100, 3000)], [Stall(950, 4000)]])
def test_a_hold_is_no_stall_whatever_the_client_does_meanwhile(stalls: list[Stall]) -> None:
    async def main() -> None:
        line = SlowLine(stalls)
        running = asyncio.create_task(line.playout.run())
        await line.speak(4000)
        line.playout.complete()
        await line.until(1200)
        line.playout.hold()
        await line.until(9000)
        line.playout.release()
        await running
        assert line.received == list(range(4000))
        assert not line.skipped

    run_in_virtual_time(main())


def test_a_stall_that_outlasts_a_hold_counts_from_its_end() -> None:
    async def main() -> None:
        line = SlowLine([Stall(1000, 9000)])
        running = asyncio.create_task(line.playout.run())
        await line.speak(4000)
        await line.until(1100)
        line.playout.hold()
        await line.until(9000)
        line.playout.release()
        await line.until(10_001)
        assert line.skipped == [pytest.approx(1.0, abs=0.07)]
        line.playout.stop()
        await running

    run_in_virtual_time(main())


def test_the_voice_is_not_kept_waiting_by_a_long_stall() -> None:
    """Twenty seconds of speech, a stall of twelve: afterwards the call is where it would be, though 4 s are kept."""

    async def main() -> None:
        line = await played([(0, 500)] * 40, [Stall(1000, 12_000)], 1000)
        at_ms, frame = next((at_ms, pcm) for at_ms, pcm in line.taken if at_ms > 13_000)
        assert at_ms - 2 * FRAME_MS <= positions(frame)[0] <= at_ms + LEAD_MS
        assert len(line.skipped) == 1
        assert line.silent_at_ms == pytest.approx(20_000, abs=2 * FRAME_MS)

    run_in_virtual_time(main())


def test_what_is_skipped_is_counted_although_the_client_never_comes_back() -> None:
    async def main() -> None:
        line = SlowLine([Stall(1000, 1e9)])
        running = asyncio.create_task(line.playout.run())
        speaking = asyncio.create_task(line.speak(*[500] * 40))
        await line.until(8000)
        speaking.cancel()
        running.cancel()
        await asyncio.wait([speaking, running])
        assert line.skipped == [pytest.approx(6.7, abs=0.3)]

    run_in_virtual_time(main())


# --- what was heard -----------------------------------------------------------------------------------------------

NUMBERS = "zero one two three four five six seven eight nine"


def numbers(heard: str) -> list[str]:
    return heard.split()


async def counting(stall: Stall, *, timed: bool) -> SlowLine:
    """Ten words of 500 ms each."""
    line = SlowLine([stall])
    line.playout.begin_clause(clause := SpokenClause(NUMBERS, complete=True))
    if timed:
        clause.words += [WordTiming(word, i * 500, i * 500 + 450) for i, word in enumerate(NUMBERS.split())]
    await line.speak(5000)
    return line


@pytest.mark.parametrize("timed", [True, False])
def test_words_in_what_was_skipped_were_not_heard(timed: bool) -> None:
    async def main() -> None:
        line = await counting(Stall(1000, 2000), timed=timed)
        running = asyncio.create_task(line.playout.run())
        line.playout.complete()
        await line.until(4100)
        cut, reached = line.playout.heard(), line.playout.reached()
        assert numbers(cut)[0] == "zero"
        assert SKIPPED in numbers(cut)
        assert not {"three", "four"} & {*numbers(cut)}
        assert reached == NUMBERS[: len(reached)]
        assert numbers(cut)[-1] == numbers(reached)[-1]
        assert numbers(unheard(NUMBERS, reached, 3))[0] == numbers(reached)[-3]
        await running
        whole = line.playout.delivered()
        assert whole is not None
        for word in numbers(whole):  # nothing is claimed of which a part is missing
            if word != SKIPPED and timed:
                begin = NUMBERS.split().index(word) * 500
                assert set(range(begin, begin + 450)) <= set(line.received)
        assert numbers(whole)[-1] == "nine"

    run_in_virtual_time(main())


def test_a_client_counts_what_it_got_and_is_understood() -> None:
    async def main() -> None:
        line = await counting(Stall(1000, 2000), timed=True)
        running = asyncio.create_task(line.playout.run())
        await line.until(5000)
        got = line.received
        gap = next(i for i, (before, after) in enumerate(pairwise(got)) if after - before > 1) + 1
        line.playout.report_played(gap - 5)
        assert numbers(line.playout.heard()) == NUMBERS.split()[: -(-(got[gap - 1] - 5) // 500)]
        line.playout.report_played(gap + 1000)
        assert SKIPPED in line.playout.heard()
        reached = got[gap + 1000]
        assert numbers(line.playout.heard())[-1] == NUMBERS.split()[reached // 500]
        line.playout.stop()
        await running

    run_in_virtual_time(main())


def test_the_history_gets_what_was_sent_with_a_mark_that_fits() -> None:
    async def main() -> None:
        line = await counting(Stall(1000, 2000), timed=True)
        reply = Reply(1, line.playout, Stages(0.0), text=NUMBERS)
        assert reply.remembered() == (None, SKIPPED_MARK)
        line.playout.complete()
        await line.playout.run()
        heard, mark = reply.remembered()
        assert heard is not None
        assert (numbers(heard)[0], numbers(heard)[-1], mark) == ("zero", "nine", SKIPPED_MARK)
        assert heard.count(SKIPPED) == 1
        cut = reply.cut()
        assert reply.remembered() == (cut, CUT_MARK)

    run_in_virtual_time(main())


words = st.lists(st.text("abc", min_size=1, max_size=6), min_size=1, max_size=6)


@given(st.lists(st.tuples(words, st.integers(1, 3000), st.booleans()), min_size=1, max_size=5), st.data())
def test_heard_text_is_in_order_and_skipping_never_adds_to_it(
    clauses: list[tuple[list[str], int, bool]], data: st.DataObject
) -> None:
    heard, plain = HeardText(), HeardText()
    written: list[str] = []
    for number, (texts, duration_ms, timed) in enumerate(clauses):
        named = [f"{text}{number}-{i}" for i, text in enumerate(texts)]
        written += named
        step = duration_ms / len(named)
        times = tuple(WordTiming(word, int(i * step), int((i + 1) * step)) for i, word in enumerate(named))
        for of in (heard, plain):
            of.begin(SpokenClause(" ".join(named) + " ", complete=True))
            of.add_audio(duration_ms, times if timed else ())
    total_ms = sum(duration_ms for _, duration_ms, _ in clauses)
    edges = sorted(data.draw(st.lists(st.integers(0, total_ms), max_size=6)))
    for start_ms, end_ms in zip(edges[::2], edges[1::2], strict=False):
        heard.skip(start_ms, end_ms)
    played_ms = data.draw(st.integers(0, total_ms + 10))
    said = [word for word in heard.at(played_ms).split() if word != SKIPPED]
    assert said == [word for word in written if word in said]
    assert set(said) <= set(plain.at(played_ms).split())
    assert heard.reached(played_ms) == plain.at(played_ms)
    assert f"{SKIPPED} {SKIPPED}" not in " ".join(heard.at(played_ms).split())


def test_a_gap_in_which_no_word_is_lost_is_none() -> None:
    heard = HeardText()
    heard.begin(clause := SpokenClause("We open. At nine.", complete=True))
    heard.add_audio(2000, (WordTiming("We", 0, 200), WordTiming("open.", 200, 500)))
    clause.words += [WordTiming("At", 1500, 1600), WordTiming("nine.", 1600, 2000)]
    heard.skip(700, 1300)
    assert heard.at(2000) == "We open. At nine."
    heard.skip(1500, 1700)
    assert " ".join(heard.at(2000).split()) == "We open. […]"


def test_a_clock_that_waits_for_nobody_has_no_lag() -> None:
    clock = PlayoutClock()
    clock.add_sent(100, 0)
    clock.update_lag(10_000)
    clock.stop_waiting(10_000)
    assert clock.lag_ms == 0
    clock.start_waiting(10_000)
    clock.stop_waiting(10_500)
    assert clock.lag_ms == 500
