"""What of a model's text is said, in whatever pieces it comes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voice_host.models.thoughts import LONGEST_UNMARKED, SpokenTextFilter, ThinkingHabit, without_thoughts

PIECES = st.lists(st.sampled_from(["<think>", "</think>", "<", "/", "th", "ink>", ">", "a", " b", "."]), max_size=12)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
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
        ("[THINK]hm[/THINK]Yes.", "Yes."),
        ("[thinking] Yes. [Think] No.", "[thinking] Yes. [Think] No."),
        ("◁think▷hm◁/think▷Yes.", "Yes."),
        ("<seed:think>hm</seed:think>Yes.", "Yes."),
        (
            "<|begin_of_thought|>hm<|end_of_thought|><|begin_of_solution|>Yes.<|end_of_solution|>",
            "Yes.",
        ),
        ("<|channel|>analysis<|message|>hm<|end|><|start|>assistant<|channel|>final<|message|>Yes.<|return|>", "Yes."),
        ("<|channel|>commentary to=functions.f <|constrain|>json<|message|>{}<|call|>", ""),
        ("<|start|>assistant<|message|>Yes.<|im_end|>", "Yes."),
        ("3 <| 4 |> 5 and a <|b", "3 <| 4 |> 5 and a <|b"),
        ("<thinker>", "<thinker>"),
        ("", ""),
    ],
)
def test_thoughts_are_left_out(text: str, said: str, size: int) -> None:
    assert without_thoughts(text) == said
    spoken = SpokenTextFilter()
    pieces = [spoken.feed(text[at : at + size]) for at in range(0, len(text), size)]
    if "Yes.</think>" not in text:  # what comes before a lone end has been said
        assert "".join(pieces) + spoken.flush() == said


def in_pieces(text: str, habit: ThinkingHabit, size: int = 3) -> list[str]:
    spoken = SpokenTextFilter(habit)
    return [*(spoken.feed(text[at : at + size]) for at in range(0, len(text), size)), spoken.flush()]


def test_after_a_thought_without_a_beginning_the_next_ones_are_waited_for() -> None:
    habit = ThinkingHabit()
    assert "".join(in_pieces("hm</think>Yes.", habit)) == "hm Yes."
    assert "".join(in_pieces("hm <b> ```</think>Yes.", habit)) == "Yes."
    assert "".join(in_pieces("<think>hm</think>Yes.", habit)) == "Yes."
    assert in_pieces("No thought at all.", habit)[-1] == "No thought at all."  # late, and only once
    assert in_pieces("Nor here.", habit)[0] == "Nor"


def test_a_thought_that_is_marked_as_it_should_be_is_no_such_habit() -> None:
    habit = ThinkingHabit()
    in_pieces("<think>a<think>b</think>c</think>Yes.", habit)
    assert not habit.unmarked


def test_an_endless_thought_without_a_beginning_is_said_in_the_end() -> None:
    habit = ThinkingHabit(unmarked=True)
    pieces = in_pieces("word " * LONGEST_UNMARKED, habit, size=50)
    assert "".join(pieces) == "word " * LONGEST_UNMARKED
    assert pieces[LONGEST_UNMARKED // 50 + 1]
    assert not habit.unmarked


@given(PIECES)
def test_where_the_text_is_cut_makes_no_difference(pieces: list[str]) -> None:
    spoken = SpokenTextFilter()
    said = "".join(spoken.feed(piece) for piece in pieces) + spoken.flush()
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
            "[THINK]a[/THINK]",
            "<|channel|>analysis<|message|>a<|end|>",
            '<invoke name="f"><parameter name="a">1</parameter></invoke>',
            "<function=f>{}</function>",
            '{"name": "f", "arguments": {}}',
            *"{[`<a. \ud83d\ude00",
        ]
    ),
    max_size=6,
).map("".join)


@given(MARKED, st.data())
def test_no_mark_depends_on_where_the_text_is_cut(text: str, data: st.DataObject) -> None:
    spoken, said = SpokenTextFilter(), ""
    while text:
        length = data.draw(st.integers(1, len(text)))
        said, text = said + spoken.feed(text[:length]), text[length:]
    said += spoken.flush()
    said.encode()
    assert "<tool_call>" not in said


def test_a_pause_for_thoughts_that_come_beside_the_text() -> None:
    spoken = SpokenTextFilter()
    said = [spoken.feed("Yes.")]
    spoken.mark_gap()
    said.append(spoken.feed("No"))
    spoken.mark_gap()
    said.append(spoken.feed("."))
    assert said == ["Yes.", " No", "."]
