from __future__ import annotations

import pytest

from voice_host.speech.embedded.tts.spoken_text import LONGEST_PIECE, divide, speakable, word_starts


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


@pytest.mark.parametrize(
    ("text", "spoken"),
    [
        ("It costs £5, or 21.50 – “fine”.", "It costs £5, or 21.50 — “fine”."),
        ("5 m² and ½", "5 m2 and 1/2"),
        ("naïve façade", "naïve façade"),
        ("nai\u0308ve", "naïve"),
        ("good 🙂 ★ job\x00\x07", "good job"),
        ("１２", "12"),
        ("\ud800", ""),
    ],
)
def test_what_cannot_be_spoken_is_left_out(text: str, spoken: str) -> None:
    assert speakable(text) == spoken


def test_words_share_the_audible_part_by_the_length_of_their_sounds() -> None:
    assert word_starts(["no", "pneumonia", "now"], ["nˈO", "numˈOniə", "nˈW"], 100, 1200) == [100, 300, 1000]


def test_a_pause_after_a_comma_belongs_to_the_word_before_it() -> None:
    assert word_starts(["no,", "no"], ["nˈO,", "nˈO"], 0, 700) == [0, 500]


def test_numbers_that_are_several_words_are_counted_by_digits() -> None:
    starts = word_starts(["It", "costs", "21.50"], ["a", "b", "c", "d", "e"], 0, 2300)
    assert starts == [0, 200, 700]


def test_words_that_are_not_spoken_take_no_time() -> None:
    assert word_starts(["fine", "🙂", "–"], ["fˈIn"], 0, 400) == [0, 400, 400]
    assert word_starts(["🙂"], [], 0, 0) == [0]
    assert word_starts([], [], 0, 0) == []
