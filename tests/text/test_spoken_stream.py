"""What streams to the voice is what would have been said had the text been there at once."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voice_host.text import SpokenPiece, SpokenStream, Wording, normalize_voice_text

WORDS = (
    "We open at nine. On May 5 2026, it costs $3.50 or 10% e.g. Dr. Smith, **bold** km 7 1st I am here! US No. it's "
    "- item 🙂 a 10:30 A p.m."
)
PROSE = st.lists(st.sampled_from([*WORDS.split(), "\n"]), max_size=30).map(" ".join)


def stream(text: str, size: int) -> list[SpokenPiece]:
    spoken = SpokenStream(Wording())
    pieces = [p for i in range(0, len(text), size) for p in spoken.feed(text[i : i + size])]
    return [*pieces, *spoken.flush()]


@given(PROSE, st.integers(1, 12))
def test_nothing_is_lost_and_streaming_changes_no_word(text: str, size: int) -> None:
    pieces = stream(text, size)
    assert "".join(piece.written for piece in pieces) == text
    assert "".join(piece.spoken for piece in pieces).split() == normalize_voice_text(text).split()


def test_plain_words_go_out_before_the_clause_is_complete() -> None:
    spoken = SpokenStream(Wording())
    said = [piece.spoken for token in ["We ", "open ", "at ", "ni", "ne ", "on "] for piece in spoken.feed(token)]
    assert "".join(said) == "We open at nine"


@pytest.mark.parametrize(
    ("text", "said"), [("on May 5", "on"), ("about 5 km", ""), ("**very** good", ""), ("it is $3", "it")]
)
def test_words_that_a_later_one_may_change_wait(text: str, said: str) -> None:
    spoken = SpokenStream(Wording())
    assert "".join(piece.spoken for letter in text for piece in spoken.feed(letter)) == said


def test_a_pause_releases_a_finished_sentence_once() -> None:
    spoken = SpokenStream(Wording())
    spoken.feed("We open at nine.")
    assert spoken.pending
    assert [(p.spoken.strip(), p.ends) for p in spoken.deadline()] == [("nine.", True)]
    assert not spoken.pending
    assert spoken.flush() == []
