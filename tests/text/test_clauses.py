"""`ClauseSplitter`: where a streamed reply is cut, and where it is not."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from voice_host.text import ClauseSplitter

PIECES = st.sampled_from(
    [
        *(
            "a",
            "Hello",
            " ",
            "  ",
            "\n",
            ".",
            "...",
            "!",
            "?",
            ",",
            ";",
            ":",
            " - ",
            "—",
            '"',
            ")",
            "**",
            "`",
            "```",
            "~~~",
        ),
        *("Mr.", "p.m.", "e.g.", "No.", "3", ".5", "$", "x.com", "。", "，", "😀", "\r\n", "1.", "The ", "word " * 80),
    ]
)


def split(text: str, size: int = 3, **options: int) -> list[str]:
    """Feed `text` in tokens of `size` characters and return the clauses, the flushed rest as the last one."""
    splitter = ClauseSplitter(**options)
    clauses: list[str] = []
    for begin in range(0, len(text), size):
        clauses += splitter.feed(text[begin : begin + size])
    rest = splitter.flush()
    return [*clauses, rest] if rest else clauses


@given(st.lists(PIECES | st.text(max_size=6)), st.data())
def test_nothing_is_lost_added_or_moved(pieces: list[str], data: st.DataObject) -> None:
    splitter = ClauseSplitter(min_chars=10, first_min_chars=5, max_chars=30)
    returned = ""
    fed = ""
    for piece in pieces:
        fed += piece
        returned += "".join(splitter.feed(piece))
        if data.draw(st.booleans()):
            returned += splitter.deadline() or ""
        assert returned + splitter.pending == fed
    assert returned + splitter.flush() == fed
    assert splitter.pending == ""


@given(st.lists(PIECES, max_size=12).map("".join), st.integers(1, 7))
@example("p.m.  No.", 1)
def test_the_size_of_the_tokens_does_not_matter(text: str, size: int) -> None:
    assert split(text, size, max_chars=5000) == split(text, 10_000, max_chars=5000)


@given(st.lists(PIECES | st.text(max_size=6)))
def test_a_clause_fed_out_is_never_blank_and_never_without_letters(pieces: list[str]) -> None:
    splitter = ClauseSplitter(max_chars=100_000)
    for piece in pieces:
        for clause in splitter.feed(piece):
            assert any(character.isalnum() for character in clause) or "```" in clause or "~~~" in clause


@pytest.mark.parametrize(
    "text",
    [
        "Hello!| How are you?| I am fine.",
        "He said “Stop!” and left.| “Go!”| She went.",
        '"Really?" she asked.|\nYes.',
        "Well…| I see...| Fine.",
        "First line|\nsecond line|\n\nthird line",
        "1. First item|\n2. Second item|\n10. Tenth item",
        "你好。|今天天气很好。|「好！」|是的",
        "नमस्ते।| आप कैसे हैं?| ठीक",
        "هل أنت هنا؟| نعم",
        "Great!|🎉 Next one.",
        "# Menu|\n- Soup|\n- Fish",
    ],
)
def test_sentences_and_lines(text: str) -> None:
    assert split(text.replace("|", "")) == text.split("|")


@pytest.mark.parametrize(
    "sentence",
    [
        "Ask Mr. Smith, Dr. Jones or Prof. Lee of St. Mary today.",
        "Bring fruit, e.g. apples, i.e. red ones, pears, etc. and approx. five plums vs. ten.",
        "It is from J. R. R. Tolkien and from J.R. Ewing.",
        "See https://a.b/c.d?x=1,2;y:3 or example.com or me@mail.example.com for it.",
        "It costs $3.50, 1,000.50 or 3.5 of version 2.0.1 now.",
        "Come at 10:30 or at 9 a.m. on Friday or 5 p.m. on Sunday.",
        "We sit in room No. 5, see p. 7 and fig. 3 on Nov. 22, 2026 there.",
        "Acme Inc. and Sons Ltd. in the U.S. market grow.",
        "Take 1, 2, 3, 10 - 12 or 2010–2015 of them.",
        "It has (see below!) some (odd?) ones inside.",
    ],
)
@pytest.mark.parametrize("size", [1, 4, 1000])
def test_what_must_not_be_split(sentence: str, size: int) -> None:
    assert split(f"{sentence} Next.", size, min_chars=200, first_min_chars=200) == [sentence, " Next."]
    for clause in split(sentence, size, min_chars=1, first_min_chars=1):
        assert clause.endswith((",", ";", ":", ".", " -")), clause
        assert not clause.endswith(("Mr.", "Dr.", "St.", "e.g.", "i.e.", "R.", "No.", "$3.", "22,", "1,", "10 -"))


@pytest.mark.parametrize(
    "text",
    [
        "We close at 10 p.m.| Would you like a table?",
        "Is there more?| No.| That is all.",
        "She lives in the U.S.| It is far.",
    ],
)
def test_an_abbreviation_may_end_a_sentence(text: str) -> None:
    assert split(text.replace("|", "")) == text.split("|")


def test_a_long_sentence_is_cut_at_its_commas_and_the_first_clause_is_shorter() -> None:
    text = "Of course I can do that, and while I look it up, let me tell you about our menu, which is new, and good."
    assert split(text) == [
        "Of course I can do that,",
        " and while I look it up, let me tell you about our menu,",
        " which is new, and good.",
    ]


@pytest.mark.parametrize("mark", [",", ";", ":", " -", " –", " —"])
def test_safe_boundaries(mark: str) -> None:
    assert split(f"Here are twenty letters{mark} and more") == [f"Here are twenty letters{mark}", " and more"]


def test_a_well_known_word_is_not_cut_at_its_hyphen() -> None:
    assert len(split("This is a really well-known and long-standing word")) == 1


def test_the_first_clause_is_out_as_soon_as_the_next_character_shows_that_it_ended() -> None:
    splitter = ClauseSplitter()
    assert splitter.feed("Yes.") == []
    assert splitter.pending == "Yes."
    assert splitter.feed(" ") == ["Yes."]


@pytest.mark.parametrize(
    "text", ["All right.", "Is it?", "Stop!", "“Stop!”", "Well…", "And so...", "Until 10 p.m.", "好。"]
)
def test_the_deadline_releases_a_plausible_end(text: str) -> None:
    splitter = ClauseSplitter()
    assert splitter.feed(text) == []
    assert splitter.deadline() == text
    assert splitter.pending == ""
    assert splitter.deadline() is None


def test_the_deadline_releases_a_safe_boundary_once_enough_has_gathered() -> None:
    splitter = ClauseSplitter(first_min_chars=20)
    splitter.feed("Of course,")
    assert splitter.deadline() is None
    splitter.feed(" I can do that,")
    assert splitter.deadline() == "Of course, I can do that,"


@pytest.mark.parametrize("text", ["", " ", "Hello", "Ask Mr.", "It costs $3.", "Table No.", "e.g.", "1.", "...", "😀."])
def test_the_deadline_keeps_what_is_no_end(text: str) -> None:
    splitter = ClauseSplitter()
    splitter.feed(text)
    assert splitter.deadline() is None
    assert splitter.pending == text


@pytest.mark.parametrize("fence", ["```", "~~~", "````"])
def test_a_code_block_is_one_clause(fence: str) -> None:
    block = f"\n{fence}python\nprint('Hello. World!')\n\nx = `1`\n{fence}"
    assert split(f"Like this:{block}\nThat is all.") == ["Like this:", block, "\nThat is all."]


def test_a_code_block_that_never_closes_waits_for_the_flush() -> None:
    splitter = ClauseSplitter()
    assert splitter.feed("```\nHello. World. ") == []
    assert splitter.deadline() is None
    assert splitter.flush() == "```\nHello. World. "
    assert splitter.feed("Back to prose. ") == ["Back to prose."]


def test_an_endless_clause_is_cut_between_words() -> None:
    clauses = split("word " * 200, max_chars=100)
    assert max(len(clause) for clause in clauses) <= 100
    assert {word for clause in clauses for word in clause.split()} == {"word"}


@pytest.mark.parametrize("piece", [".", "a.", "`", "\n", "x", "a, ", '." ', "p.m. ", "```y. ", " "])
@pytest.mark.parametrize("size", [1, 1_000_000])
def test_hostile_text_is_split_without_getting_slow(piece: str, size: int) -> None:
    text = piece * (20_000 // len(piece))
    assert "".join(split(text, size)) == text  # quadratic work would meet the time limit of the test


def test_lengths_must_make_sense() -> None:
    with pytest.raises(ValueError, match="max_chars"):
        ClauseSplitter(min_chars=40, max_chars=30)
    with pytest.raises(ValueError, match="positive"):
        ClauseSplitter(min_chars=0)
