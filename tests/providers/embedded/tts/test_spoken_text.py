from __future__ import annotations

import pytest

from voice_host.providers.embedded.tts.spoken_text import LONGEST_PIECE, divide, word_timings
from voice_host_sdk import WordTiming


@pytest.mark.parametrize(
    ("text", "end"),
    [
        ("a clause, " * 60, ","),
        ("word " * 100, "word"),
        ("x" * 1000, "x" * LONGEST_PIECE),
        ("3.5" * 200, "3.5" * (LONGEST_PIECE // 3) + "3"),
    ],
)
def test_text_is_divided_where_it_hurts_least(text: str, end: str) -> None:
    piece, rest = divide(text)
    assert piece + rest == text
    assert 0 < len(piece) <= LONGEST_PIECE
    assert rest
    assert piece.endswith(end)


def test_words_are_as_written_and_follow_one_another() -> None:
    text = 'It\'s 21.5 – "fine".'
    starts = [(0, 0), (5, 100), (6, 150), (13, 400)]
    assert word_timings(text, starts, 1000, 1000, 5000) == (
        WordTiming("It's", 5000, 5100),
        WordTiming("21.5", 5100, 5400),
        WordTiming("–", 5400, 5400),
        WordTiming('"fine".', 5400, 6000),
    )
