"""Marks in the agent's speech: few enough for the limit on messages, and where they are needed."""

from __future__ import annotations

import pytest

from voice_host.admission import ClientGuard
from voice_host.clients.protocol import Played
from voice_host.clients.spoken_audio import MARK_EVERY_MS, SpokenAudio
from voice_host.settings import LimitsSettings

PIECE_MS = 60


def line() -> SpokenAudio:
    return SpokenAudio(160, 8, b"\xff")


def spoken(audio: SpokenAudio, reply: int, pieces: int) -> list[str]:
    """Speak a reply and return the marks that followed its pieces."""
    marks = []
    for _ in range(pieces):
        audio.add(reply, bytes(PIECE_MS * 8))
        if (mark := audio.mark()) is not None:
            marks.append(mark)
    return marks


def test_marks_that_come_back_leave_room_for_other_messages() -> None:
    seconds = 60
    audio, limits, now_s = line(), LimitsSettings(), 0.0
    guard = ClientGuard(limits, 8000, clock=lambda: now_s)
    marks = spoken(audio, 1, seconds * 1000 // PIECE_MS)
    assert len(marks) <= limits.messages_per_s / 4 * seconds
    for mark in marks:
        played = audio.played(mark)
        assert played is not None
        now_s = played.played_ms / 1000
        assert guard.message(mark) is None
    assert guard.message("nothing is lost by a stall of the line, after which all come at once") is None


def test_the_beginning_and_the_end_of_a_reply_have_marks() -> None:
    audio = line()
    first, *more = spoken(audio, 1, 8)
    assert audio.played(first) == Played(1, PIECE_MS)
    assert [audio.played(mark) for mark in more] == [Played(1, PIECE_MS + 420)]
    audio.add(1, bytes(160))
    assert audio.mark() is None
    assert audio.finish(1) == b""
    end = audio.mark(last=True)
    assert end is not None
    assert audio.played(end) == Played(1, 500)
    assert audio.mark(last=True) is None  # it has one already
    assert spoken(audio, 2, 1) == ["2:480"]


def test_marks_are_as_far_apart_as_they_may_be() -> None:
    audio = line()
    audio.add(1, bytes(160))
    assert audio.mark() == "1:160"
    audio.add(1, bytes((MARK_EVERY_MS - 20) * 8))
    assert audio.mark() is None
    audio.add(1, bytes(160))
    assert audio.mark() is not None


@pytest.mark.parametrize("mark", ["3:0", "99:123", "2:481", "2:960", "2:99999999", "2:", "two"])
def test_a_mark_that_was_not_sent_is_none(mark: str) -> None:
    audio = line()
    assert spoken(audio, 1, 8) == ["1:480", "1:3840"]
    assert spoken(audio, 2, 1) == ["2:480"]
    audio.add(2, bytes(480))  # has no mark yet
    for _ in range(2):
        with pytest.raises(ValueError, match=mark):
            audio.played(mark)
        assert audio.played("1:3840") == Played(1, 480)
        assert audio.played("2:480") == Played(2, PIECE_MS)


def test_a_mark_that_comes_before_any_was_sent_is_none() -> None:
    with pytest.raises(ValueError, match="1:160"):
        line().played("1:160")


def test_a_reply_that_was_cut_has_no_further_mark() -> None:
    audio = line()
    spoken(audio, 1, 2)
    audio.cut(1)
    assert audio.finish(1) == b""
    assert audio.mark(last=True) is None
