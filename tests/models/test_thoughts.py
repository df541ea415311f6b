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
        ("Yes.</think>No.", "No."),
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
    whole = without_thoughts("".join(pieces))
    # A thought whose end alone is marked may have been said, in part, before its end came.
    assert said.endswith(whole) if said != whole else True
    assert "<think>" not in said
    assert "</think>" not in said


MARKED = st.lists(
    st.sampled_from(
        [
            "<think>a</think>",
            "<tool_call>{}</tool_call>",
            "<details><summary>Thinking</summary>x</details>",
            "```json\n{}\n```",
            "[TOOL_CALLS]",
            "<function=f>{}</function>",
            '{"name": "f", "arguments": {}}',
            *"{[`<a. \ud83d\ude00",
        ]
    ),
    max_size=6,
).map("".join)


@given(MARKED, st.data())
def test_no_mark_depends_on_where_the_text_is_cut(text: str, data: st.DataObject) -> None:
    spoken, said = SpokenText(), ""
    while text:
        length = data.draw(st.integers(1, len(text)))
        said, text = said + spoken.take(text[:length]), text[length:]
    said += spoken.rest()
    said.encode()
    assert "<tool_call>" not in said


def test_a_pause_for_thoughts_that_come_beside_the_text() -> None:
    spoken = SpokenText()
    said = [spoken.take("Yes.")]
    spoken.pause()
    said.append(spoken.take("No"))
    spoken.pause()
    said.append(spoken.take("."))
    assert said == ["Yes.", " No", "."]
