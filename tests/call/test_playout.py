"""Playout in virtual time: pacing, holding, stopping, and what was heard."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voice_host.call.heard import HeardText, SpokenClause, unheard
from voice_host.call.playout import Playout
from voice_host.testing import in_virtual_time, run_in_virtual_time
from voice_host.text import SpokenStream, Wording
from voice_host.text.spans import Kind
from voice_host_sdk import SpeechAudio, WordTiming

RATE = 24000
BUFFER_S = 2


class Line:
    """Notes what was sent, and when."""

    def __init__(self, *, lead_ms: float = 200) -> None:
        self.sent: list[tuple[float, bytes]] = []
        self.audible = 0
        self.playout = Playout(
            self._send,
            sample_rate=RATE,
            lead_ms=lead_ms,
            buffer_s=BUFFER_S,
            on_first_audio=self._on_first,
            clock=asyncio.get_running_loop().time,
        )

    async def _send(self, pcm: bytes) -> None:
        self.sent.append((asyncio.get_running_loop().time(), pcm))

    async def _on_first(self) -> None:
        self.audible += 1

    @property
    def sent_ms(self) -> float:
        return sum(len(pcm) for _, pcm in self.sent) / 48


def pcm(ms: float) -> bytes:
    return bytes(int(ms * 48) & ~1)


def test_audio_goes_out_ahead_of_real_time_by_the_lead_at_most() -> None:
    async def main() -> None:
        line = Line()
        running = asyncio.create_task(line.playout.run())
        line.playout.begin_clause(clause := SpokenClause("Hello there."))
        await line.playout.write(SpeechAudio(pcm(3000)))
        clause.complete = True
        line.playout.complete()
        await running
        start = line.sent[0][0]
        sent_ms = 0.0
        for at, frame in line.sent:
            sent_ms += len(frame) / 48
            assert sent_ms <= (at - start) * 1000 + 200 + 0.1
        assert round(sent_ms) == 3000
        assert line.audible == 1
        await line.playout.played()
        assert asyncio.get_running_loop().time() >= start + 3.0 - 1e-6
        assert line.playout.heard() == "Hello there."

    run_in_virtual_time(main())


def test_nothing_is_sent_while_held_and_nothing_at_all_after_stop() -> None:
    async def main() -> None:
        line = Line()
        running = asyncio.create_task(line.playout.run())
        line.playout.begin_clause(SpokenClause("one two three four five six seven eight nine ten"))
        await line.playout.write(SpeechAudio(pcm(2000)))
        await asyncio.sleep(0.5)
        line.playout.hold()
        held_at = line.sent_ms
        await asyncio.sleep(5)
        assert line.sent_ms == held_at
        line.playout.release()
        await asyncio.sleep(0.3)
        assert line.sent_ms > held_at
        heard = line.playout.heard()
        line.playout.stop()
        stopped_at = line.sent_ms
        await running
        await line.playout.write(SpeechAudio(pcm(1000)))
        assert line.sent_ms == stopped_at
        assert heard
        assert "one two three four five six seven eight nine ten".startswith(heard)
        assert "ten" not in heard

    run_in_virtual_time(main())


def test_the_buffer_is_bounded_and_the_voice_waits() -> None:
    async def main() -> None:
        line = Line()
        line.playout.begin_clause(SpokenClause("long"))
        written = 0

        async def write() -> None:
            nonlocal written
            for _ in range(100):
                await line.playout.write(SpeechAudio(pcm(100)))
                written += 1

        writing = asyncio.create_task(write())
        await asyncio.sleep(1)
        assert written <= BUFFER_S * 10 + 1
        running = asyncio.create_task(line.playout.run())
        await writing
        line.playout.complete()
        await running
        assert line.sent_ms == 10_000

    run_in_virtual_time(main())


def test_stop_frees_a_voice_that_waits_for_room() -> None:
    async def main() -> None:
        line = Line()
        line.playout.begin_clause(SpokenClause("long"))
        await line.playout.write(SpeechAudio(pcm(BUFFER_S * 1000)))
        writing = asyncio.create_task(line.playout.write(SpeechAudio(pcm(100))))
        await asyncio.sleep(0.1)
        assert not writing.done()
        line.playout.stop()
        await asyncio.sleep(0.1)
        assert writing.done()
        await writing

    run_in_virtual_time(main())


@in_virtual_time
async def test_a_client_that_pauses_while_held_has_heard_no_more_and_plays_the_rest_afterwards() -> None:
    line = Line()
    running = asyncio.create_task(line.playout.run())
    line.playout.begin_clause(SpokenClause("Hello there.", complete=True))
    await line.playout.write(SpeechAudio(pcm(300)))
    line.playout.complete()
    await running  # all of it was sent, and about half of that is still to be played
    line.playout.hold()
    line.playout.report_played(160, paused=True)
    over = asyncio.create_task(line.playout.played())
    await asyncio.sleep(2)
    assert line.playout.heard() == "Hello"
    assert line.playout.ahead_ms == 140
    assert not over.done()
    line.playout.release()
    began_s = asyncio.get_running_loop().time()
    await over
    assert asyncio.get_running_loop().time() == pytest.approx(began_s + 0.14)
    assert line.playout.heard() == "Hello there."


@in_virtual_time
async def test_a_client_that_does_not_pause_has_heard_what_it_had() -> None:
    line = Line()
    running = asyncio.create_task(line.playout.run())
    line.playout.begin_clause(SpokenClause("Hello there.", complete=True))
    await line.playout.write(SpeechAudio(pcm(300)))
    line.playout.complete()
    await running
    line.playout.hold()
    line.playout.report_played(160)
    await line.playout.played()
    assert line.playout.heard() == "Hello there."


@in_virtual_time
async def test_a_pause_that_is_told_after_the_release_ended_with_it() -> None:
    line = Line()
    running = asyncio.create_task(line.playout.run())
    line.playout.begin_clause(SpokenClause("Hello there.", complete=True))
    await line.playout.write(SpeechAudio(pcm(300)))
    line.playout.complete()
    await running
    line.playout.hold()
    await asyncio.sleep(0.1)
    line.playout.release()
    await asyncio.sleep(0.05)
    line.playout.report_played(120, paused=True)  # it was on its way when the client was told to go on
    assert line.playout.ahead_ms == pytest.approx(300 - 120 - 50)
    await line.playout.played()
    assert line.playout.heard() == "Hello there."
    assert line.sent_ms == 300


def test_heard_is_exact_where_the_voice_times_its_words() -> None:
    heard = HeardText()
    heard.begin(clause := SpokenClause("We open at nine. "))
    words = tuple(WordTiming(w, i * 100, i * 100 + 90) for i, w in enumerate(["We", "open", "at", "nine."]))
    heard.add_audio(400, words)
    assert heard.at(0) == ""
    assert heard.at(150) == "We open"
    clause.complete = True
    assert heard.at(400) == "We open at nine."


@given(st.lists(st.tuples(st.text("abc ,.", min_size=1, max_size=30), st.integers(1, 3000)), max_size=6), st.data())
def test_more_playing_never_means_less_heard(clauses: list[tuple[str, int]], data: st.DataObject) -> None:
    heard = HeardText()
    for text, duration_ms in clauses:
        heard.begin(SpokenClause(text, complete=True))
        heard.add_audio(duration_ms)
    whole = "".join(text for text, _ in clauses).strip()
    total = sum(duration for _, duration in clauses)
    first = data.draw(st.integers(0, total + 10))
    second = data.draw(st.integers(first, total + 10))
    assert len(heard.at(first)) <= len(heard.at(second))
    assert whole.startswith(heard.at(first))
    assert heard.at(total) == whole


def test_what_is_said_beside_a_reply_is_not_heard_of_it() -> None:
    heard = HeardText()
    for text in ("We open", "", " at nine."):
        heard.begin(SpokenClause(text, complete=True))
        heard.add_audio(100)
    assert heard.at(200) == "We open"
    assert heard.at(300) == "We open at nine."


def test_a_filler_that_the_voice_times_is_not_heard_of_the_reply_while_it_is_spoken() -> None:
    heard = HeardText()
    heard.begin(SpokenClause("We open. ", complete=True))
    heard.add_audio(100)
    heard.begin(SpokenClause(""))
    heard.add_audio(300, (WordTiming("One", 0, 90), WordTiming("moment.", 100, 290)))
    assert heard.at(250) == heard.reached(250) == "We open."


def test_a_clause_may_grow_while_it_is_spoken() -> None:
    heard = HeardText()
    heard.begin(clause := SpokenClause("We open"))
    heard.add_audio(300)
    clause.text += " at nine."
    assert heard.at(300) == "We"  # 300 ms of an estimated 1,040 ms
    clause.complete = True
    assert heard.at(300) == "We open at nine."


def test_the_rest_of_a_reply_begins_a_little_before_the_cut() -> None:
    text = "We open at nine. And we close at ten."
    assert unheard(text, "We open at nine. And we", 3) == "nine. And we close at ten."
    assert unheard(text, "", 3) == text
    assert unheard(text, text, 3) == ""


def test_what_follows_a_clause_the_voice_failed_in_is_heard() -> None:
    heard = HeardText()
    heard.begin(SpokenClause("One two three."))  # the voice failed before any audio
    heard.begin(SpokenClause(" Four five six.", complete=True))
    heard.add_audio(1000)
    assert heard.at(1000) == "Four five six."


@given(
    st.lists(
        st.sampled_from(["It", "is", "$1,234.56", "on", "2026-11-26", "**bold**", "Dr. Lee", "5 km", "ok,", "🙂"])
    ),
    st.booleans(),
    st.integers(1, 400),
    st.data(),
)
def test_what_takes_several_words_to_say_is_heard_whole_or_not_at_all(
    words: list[str], timed: bool, ms_per_word: int, data: st.DataObject
) -> None:
    text = " ".join(words)
    heard = HeardText()
    heard.begin(clause := SpokenClause())
    stream = SpokenStream(Wording())
    pieces = [*stream.feed(text), *stream.flush()]
    spans = []
    for piece in pieces:
        spans += [
            (len(clause.text) + span.start, len(clause.text) + span.end, span.kind)
            for span in (piece.worded.spans if piece.worded else ())
        ]
        clause.add(piece)
    spoken = " ".join(piece.spoken for piece in pieces).split()
    times = tuple(WordTiming(word, i * ms_per_word, (i + 1) * ms_per_word) for i, word in enumerate(spoken))
    heard.add_audio(len(spoken) * ms_per_word, times if timed else ())
    clause.complete = True
    at_ms = sorted(data.draw(st.lists(st.integers(0, len(spoken) * ms_per_word + 1), max_size=5)))
    reached = [heard.at(ms) for ms in at_ms]
    assert [len(part) for part in reached] == sorted(len(part) for part in reached)
    for part in reached:
        assert text.strip().startswith(part)
        end = text.index(part) + len(part)
        if end < len(text.rstrip()):
            assert not any(
                start < end < stop and kind is not Kind.PLAIN and text[end:stop].strip() for start, stop, kind in spans
            )


def test_words_that_the_voice_divides_otherwise_are_found_by_their_letters() -> None:
    heard = HeardText()
    heard.begin(clause := SpokenClause("Twenty-two men came.", complete=True))
    timings = ("twenty", 0, 100), ("two", 100, 200), ("men", 200, 300), ("came", 300, 400)
    heard.add_audio(400, tuple(WordTiming(*timing) for timing in timings))
    assert clause.complete
    assert [heard.at(ms) for ms in (50, 150, 250)] == ["Twenty-two", "Twenty-two", "Twenty-two men"]


def test_a_voice_that_says_other_words_than_it_was_given_is_estimated() -> None:
    heard = HeardText()
    heard.begin(SpokenClause("It is $5 now and here.", complete=True))
    heard.add_audio(
        700, tuple(WordTiming(w, i * 100, i * 100 + 100) for i, w in enumerate(["it", "is", "five", "dollars"]))
    )
    assert heard.at(350) == "It is $5"  # half of its letters
