"""What of a model's text is said, in whatever pieces it comes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voice_host.models.thoughts import SpokenText, without_thoughts

PIECES = st.lists(st.sampled_from(["<think>", "</think>", "<", "/", "th", "ink>", ">", "a", " b", "."]), max_size=12)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("We are open.", "We are open."),
        ("<think>hm</think>\n\nYes.", "\n\nYes."),
        ("Yes.<think>hm</think>No.", "Yes. No."),
        ("Yes<think>hm</think>, no.", "Yes, no."),
        ("Yes. <think>a</think><THINKING>b</THINKING>No.", "Yes. No."),
        ("Yes.<think>a < b <b> <think>", "Yes."),
        ("Yes.</think>No.", "Yes. No."),
        ("a < b <th <thin", "a < b <th <thin"),
        ("<thinker>", "<thinker>"),
        ("", ""),
    ],
)
def test_thoughts_are_left_out(text: str, said: str) -> None:
    assert without_thoughts(text) == said


@given(PIECES)
def test_where_the_text_is_cut_makes_no_difference(pieces: list[str]) -> None:
    spoken = SpokenText()
    said = "".join(spoken.take(piece) for piece in pieces) + spoken.rest()
    assert said == without_thoughts("".join(pieces))
    assert "<think>" not in said
    assert "</think>" not in said


def test_a_pause_for_thoughts_that_come_beside_the_text() -> None:
    spoken = SpokenText()
    said = [spoken.take("Yes.")]
    spoken.pause()
    said.append(spoken.take("No"))
    spoken.pause()
    said.append(spoken.take("."))
    assert said == ["Yes.", " No", "."]
