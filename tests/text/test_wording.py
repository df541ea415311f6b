"""What holds of the wording of every text, and the settings of an agent for it."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.text.test_cleaner import FRAGMENTS
from voice_host.text import CustomCleaner, SpokenStream, VoiceCleaner, Worded, Wording, normalize_voice_text

WORDING = Wording()
TEXTS = st.text(max_size=40) | st.lists(FRAGMENTS, max_size=20).map("".join)

NAMING = st.sampled_from(
    [
        *("Your confirmation code is", "Your order number is", "The PIN:", "Use extension", "The card ends in"),
        *("My account number:", "ticket number", "Your reference is", "The zip code is", "Dial"),
    ]
)
NAMES_OF_DIGITS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
DIGIT_WORDS = dict(zip(NAMES_OF_DIGITS, "0123456789", strict=True))


def assert_covers(worded: Worded, length: int) -> None:
    places = [0, *(span.end for span in worded.spans)]
    assert [span.start for span in worded.spans] == places[:-1]
    assert places[-1] == length
    assert [word.text for word in worded.words] == worded.spoken.split()
    ends = [word.end for word in worded.words]
    assert ends == sorted(ends)
    assert all(0 <= end <= length for end in ends)


@given(TEXTS, TEXTS, st.data())
@example("[[a](b)](c) $5", "", None)
def test_spans_cover_the_text_and_do_not_overlap(text: str, before: str, data: st.DataObject | None) -> None:
    start = data.draw(st.integers(0, len(text))) if data else 0
    assert_covers(WORDING.word(text, start=start, before=before), len(text) - start)


@given(TEXTS, st.lists(st.integers(0, 120), max_size=12))
def test_a_stream_cut_anywhere_is_spoken_like_the_whole(text: str, cuts: list[int]) -> None:
    assert spoken(text, cuts) == spoken(text, [])


def spoken(text: str, cuts: list[int]) -> list[str]:
    """Return the words that the voice is given for a text that comes in pieces."""
    places = [0, *sorted(cut for cut in cuts if cut < len(text)), len(text)]
    stream = SpokenStream(WORDING)
    pieces = [p for begin, end in pairwise(places) for p in stream.feed(text[begin:end])]
    pieces += stream.flush()
    assert "".join(piece.written for piece in pieces) == text
    return " ".join(piece.spoken for piece in pieces).split()


@given(NAMING, st.text("0123456789", min_size=4, max_size=12))
def test_no_digit_of_something_that_is_named_gets_lost(noun: str, digits: str) -> None:
    text = f"{noun} {digits}."
    words = normalize_voice_text(text)[len(noun) :].replace(",", " ").replace(".", " ").split()
    assert "".join(DIGIT_WORDS[word] for word in words) == digits
    assert spoken(text, [*range(len(text))]) == normalize_voice_text(text).split()


def test_spoken_words_know_the_span_they_came_from() -> None:
    text = "It is **$5.50** on 2026-11-26, ok."
    worded = WORDING.word(text)
    assert worded.spoken == "It is five dollars and fifty cents on November twenty-sixth, twenty twenty-six, ok."
    heard = [text[: word.end] for word in worded.words]
    assert heard == [
        *("It", "It is"),
        *["It is **"] * 4,
        "It is **$5.50**",
        "It is **$5.50** on",
        *["It is **$5.50** on "] * 3,
        "It is **$5.50** on 2026-11-26,",
        text,
    ]


def test_words_before_the_clause_still_tell_what_digits_are() -> None:
    assert WORDING.word(" 884213.", before="Your confirmation code:").spoken == " eight eight four two one three."
    assert WORDING.word(" 884213.", before="They sold:").spoken.startswith(" eight hundred")
    clause = "Your extension is 4521."
    assert WORDING.word(clause, start=len("Your extension is")).spoken == " four five two one."


PRONOUNCED = Wording(
    pronunciations={
        **{"nginx": "engine x", "SQL": "sequel", "Copper Spoon": "the spoon", "C++": "see", "Nguyen": "win"},
        **{"CAD": "see ay dee", "clicks": "klicks"},
    }
)


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("Use nginx, Nginx or NGINX.", "Use engine x, engine x or engine x."),
        ("Use SQL, not sql or MySQL.", "Use sequel, not sql or MySQL."),
        ("The Copper  Spoon and the copper spoon.", "The the spoon and the copper spoon."),
        ("Write C++ for 5 km.", "Write see for five kilometers."),
        ("See nginx.org or mail a@nginx.org.", "See engine x dot org or mail a at engine x dot org."),
        ("Ask Dr. Nguyen and Mr. nginx.", "Ask Doctor win and Mr. engine x."),
        ("It is $5 CAD for 3-4 clicks.", "It is five dollars see ay dee for three to four klicks."),
    ],
)
def test_pronunciations_are_of_whole_words(written: str, said: str) -> None:
    assert PRONOUNCED.word(written).spoken == said
    stream = SpokenStream(PRONOUNCED)
    pieces = [p for character in written for p in stream.feed(character)] + stream.flush()
    assert " ".join(piece.spoken for piece in pieces).split() == said.split()
    assert_covers(PRONOUNCED.word(written), len(written))


@pytest.mark.parametrize(
    ("entries", "written", "said"),
    [
        ({"new york": "NY", "new york city": "the apple"}, "New York City, New\nYork.", "the apple, NY."),
        ({"SQL": "sequel", "sql": "small"}, "SQL sql Sql", "sequel small small"),
        ({"a.b": "A", "(c)": "see", "[d]": "dee", "q?": "cue"}, "a.b aXb (c) [d] q?", "A aXb see dee cue"),
        ({"istanbul": "is tan bool", "kelvin": "k"}, "İstanbul \u212aelvin", "is tan bool k"),  # lower() is longer
        ({"nginx": r"\1 \g<0>"}, "nginx", r"\1 \g<0>"),
        ({"node.js": "node", ".NET": "dot net"}, "node.js, .NET, ASP.NET", "node, dot net, ASP dot NET"),
    ],
)
def test_pronunciations_hold_any_characters(entries: dict[str, str], written: str, said: str) -> None:
    assert Wording(pronunciations=entries).word(written).spoken == said


@given(st.dictionaries(TEXTS.filter(str.strip), TEXTS.filter(str.strip), min_size=1, max_size=4), TEXTS, st.data())
def test_any_pronunciations_can_be_spoken(entries: dict[str, str], text: str, data: st.DataObject) -> None:
    text += data.draw(st.sampled_from([*entries]).flatmap(lambda entry: st.sampled_from([entry, entry.upper()])))
    assert_covers(Wording(pronunciations=entries).word(text), len(text))


@given(TEXTS)
def test_without_normalization_only_markup_is_taken_out(text: str) -> None:
    worded = Wording(normalize=False).word(text)
    assert_covers(worded, len(text))
    assert Wording(normalize=False).word("**5 km** for $3").spoken == "5 km for $3"


@given(TEXTS, TEXTS)
def test_a_cleaner_of_the_platforms_own_keeps_its_words(written: str, said: str) -> None:
    worded = CustomCleaner(lambda _: said).word(written)
    assert worded.spoken.split() == said.split()
    assert_covers(worded, len(written))


def test_a_long_text_is_not_compared_with_what_a_cleaner_makes_of_it() -> None:
    text = f"```{'a b ' * 1000}```"
    worded = CustomCleaner(lambda text: text.replace("a", "c")).word(text)
    assert [span.kind for span in worded.spans] == ["rewritten"]
    assert_covers(worded, len(text))


def test_what_a_cleaner_of_the_platforms_own_changes_is_found() -> None:
    text = "It is 5 km to go."
    words = CustomCleaner(VoiceCleaner()).word(text).words
    assert [text[: word.end] for word in words] == [
        *("It", "It is", "It is", "It is 5 km", "It is 5 km to", text),
    ]
