"""`VoiceCleaner`: written text becomes what a person would say."""

from __future__ import annotations

import re
import string

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from voice_host.text import ClauseSplitter, VoiceCleaner, normalize_voice_text

FRAGMENTS = st.sampled_from(
    [
        *("Dr.", "St.", "e.g.", "etc.", "vs.", "No.", "a", "B.", "th", "x", "K", " ", " ", "\n", ",", "'"),
        *("5", "10:30", "9am", "p.m.", "2026", "Nov", "Mon", "- Fri", "+49", "/", "1.", "½", ".5", "²"),
        *("$", "€", "%", "km", "°C", "#", "@", "b.com", "http://a.b", "<", ">", "=", "~", "&", "😀", "\u200d"),
        *("[", "](", ")", "![", "**", "*", "_", "`", "```", "- ", "> ", "|", "\\", "<br>"),
    ]
)


@given(st.text() | st.lists(FRAGMENTS).map("".join))
@example("[[a](b)](c)")
@example("- - 1. # a")
def test_cleaning_twice_is_cleaning_once_and_no_digit_or_markup_is_left(text: str) -> None:
    cleaned = normalize_voice_text(text)
    assert normalize_voice_text(cleaned) == cleaned
    assert not re.search(r"\d|[*`#<>\[\]{}|\\^~_]", cleaned)
    cleaned.encode()  # no lone surrogates: a voice is sent UTF-8


ABBREVIATIONS = {
    *("mr", "mrs", "ms", "dr", "prof", "st", "mt", "ave", "rd", "blvd", "etc", "vs", "approx", "inc", "ltd", "corp"),
    *("jr", "sr", "dept", "appt", "incl", "excl", "gov", "sen", "gen", "rep", "ln", "ct", "pl", "sq"),
    *("mon", "tue", "tues", "wed", "thu", "thur", "thurs", "fri", "sat", "sun"),
}
WORDS = st.text(alphabet=string.ascii_letters + "'", min_size=1).filter(lambda word: word.lower() not in ABBREVIATIONS)


@given(st.lists(WORDS | st.sampled_from([" ", "  ", ", ", ". ", "! ", "? ", "\n"])).map("".join))
def test_plain_prose_passes_unchanged(text: str) -> None:
    assert normalize_voice_text(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "Well — that's “fine” (isn't it?); we'll see: maybe…",
        "Good morning, how can I help you today?",
        "Öffnen Sie bitte die Tür. ¿Qué tal? 你好。",
        "   ",
        "",
    ],
)
def test_prose_with_other_punctuation_and_scripts_passes_unchanged(text: str) -> None:
    assert normalize_voice_text(text) == text


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("# Our menu", "Our menu"),
        ("### Our menu ###", "Our menu"),
        ("**Bold**, *italic*, __strong__, _soft_ and ~~gone~~", "Bold, italic, strong, soft and gone"),
        ("**half", "half"),
        ("- Soup\n- Fish\n  * Trout", "Soup\nFish\nTrout"),
        ("1. Soup\n2. Fish", "Soup\nFish"),
        ("- [x] Done", "Done"),
        ("> Quoted", "Quoted"),
        ("Read [the menu](https://a.b/c_d?x=1 'Menu').", "Read the menu."),
        ("![A cat](cat.png) Hello", "Hello"),
        # An address is what the caller asked for: it is said, not left out.
        ("See https://a.b/c?d=e#f, please.", "See a dot b, please."),
        ("See www.example.com!", "See example dot com!"),
        ("<b>Hello</b><br/>there <!-- hidden -->", "Hello\nthere"),
        ("Use `print` now", "Use print now"),
        ("Before\n```python\nprint(1)\n```\nafter", "Before\nafter"),
        ("Before ```never closed", "Before"),
        ("| Dish | Price |\n|------|-------|\n| Soup | $5 |", "Dish, Price\nSoup, five dollars"),
        ("Above\n\n---\n\nbelow", "Above\nbelow"),
        (r"5 \* 3", "five times three"),
        ("It is so[1] and so[^note].", "It is so and so."),
    ],
)
def test_markdown_code_and_links_are_taken_out(written: str, spoken: str) -> None:
    assert normalize_voice_text(written) == spoken


@pytest.mark.parametrize("emoji", ["😀", "👍🏽", "❤️", "👩‍👩‍👧", "🇩🇪", "✅", "⏰", "☕", "★", "🫠"])
def test_pictographs_are_taken_out(emoji: str) -> None:
    assert normalize_voice_text(f"Hello {emoji} there{emoji}!") == "Hello there!"
    assert normalize_voice_text(emoji) == ""


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("$3.50", "three dollars and fifty cents"),
        ("$1", "one dollar"),
        ("$0.99", "ninety-nine cents"),
        ("€1,200", "one thousand two hundred euros"),
        ("3,50 €", "three euros and fifty cents"),
        ("£2.01", "two pounds and one penny"),
        ("$1.5 million", "one point five million dollars"),
        ("$5-10", "five to ten dollars"),
        ("-$5", "minus five dollars"),
        ("20 EUR", "twenty euros"),
        ("$15/person", "fifteen dollars per person"),
        ("5%", "five percent"),
        ("10-20 %", "ten to twenty percent"),
        ("2.5%", "two point five percent"),
    ],
)
def test_money_and_percentages(written: str, spoken: str) -> None:
    assert normalize_voice_text(f"It is {written}.") == f"It is {spoken}."


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("(555) 123-4567", "five five five, one two three, four five six seven"),
        ("555-123-4567", "five five five, one two three, four five six seven"),
        ("555-0199", "five five five, zero one nine nine"),
        ("+49 30 123456", "plus four nine, three zero, one two three, four five six"),
        ("020 7946 0958", "zero two zero, seven nine four six, zero nine five eight"),
        ("code 4821", "code four eight two one"),
    ],
)
def test_phone_numbers_and_codes(written: str, spoken: str) -> None:
    assert normalize_voice_text(f"It is {written}.") == f"It is {spoken}."


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("2026-11-22", "November twenty-second, twenty twenty-six"),
        ("11/22/2026", "November twenty-second, twenty twenty-six"),
        ("22/11/2026", "November twenty-second, twenty twenty-six"),
        ("05/06/2026", "five, six, twenty twenty-six"),
        ("22.11.2026", "November twenty-second, twenty twenty-six"),
        ("Nov 22, 2026", "November twenty-second, twenty twenty-six"),
        ("Nov. 3rd", "November third"),
        ("22 November 2026", "the twenty-second of November twenty twenty-six"),
        ("the 5th of May", "the fifth of May"),
        ("March 2005", "March two thousand and five"),
        ("the 1990s", "the nineteen nineties"),
        ("10:30", "ten thirty"),
        ("9:05", "nine oh five"),
        ("9:00", "nine o'clock"),
        ("17:05", "five oh five p.m."),
        ("00:15", "twelve fifteen a.m."),
        ("9am", "nine a.m."),
        ("7:30 PM", "seven thirty p.m."),
        ("9am-5pm", "nine a.m. to five p.m."),
        ("10:30–11:45", "ten thirty to eleven forty-five"),
        ("Mon-Fri 9-5", "Monday to Friday nine to five"),
    ],
)
def test_dates_and_times(written: str, spoken: str) -> None:
    assert normalize_voice_text(f"It is {written} now") == f"It is {spoken} now"


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("7", "seven"),
        ("1,234", "one thousand two hundred and thirty-four"),
        ("3.14", "three point one four"),
        ("-3", "minus three"),
        ("007", "zero zero seven"),
        ("12345678", "one two three four five six seven eight"),
        ("in 2026", "in twenty twenty-six"),
        ("1st", "first"),
        ("22nd", "twenty-second"),
        ("9-5", "nine to five"),
        ("10–12", "ten to twelve"),
        ("1/2", "one half"),
        ("1½", "one and a half"),
        ("3/4", "three quarters"),
        ("24/7", "twenty-four seven"),
        ("10x12", "ten by twelve"),
        ("v2.0.1", "v two point zero point one"),
        ("5 km", "five kilometers"),
        ("1 min", "one minute"),
        ("20°C", "twenty degrees Celsius"),
        ("3kg", "three kilograms"),
        ("60 mph", "sixty miles per hour"),
        ("100 km/h", "one hundred kilometers per hour"),
        ("a 5-min walk", "a five-minute walk"),
        ("2,5 kg", "two point five kilograms"),
        ("2,5–3,5 kg", "two point five to three point five kilograms"),
        ("between 2,5 and 3,5 kg", "between two point five and three point five kilograms"),
        ("1,2 and 3 m", "one, two and three meters"),
        ("-0,5°C", "minus zero point five degrees Celsius"),
        ("3,5 %", "three point five percent"),
        ("2,500 kg", "two thousand five hundred kilograms"),
        ("page 2,5", "page two, five"),
        ("1,2,3 m", "one, two, three m"),
        ("room 12A", "room twelve A"),
        ("٣", "three"),
        ("1" * 20, " ".join(["one"] * 20)),
    ],
)
def test_numbers_and_units(written: str, spoken: str) -> None:
    assert normalize_voice_text(f"It is {written}.") == f"It is {spoken}."


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("Dr. Smith and Mr. Lee", "Doctor Smith and Mister Lee"),
        ("St. Louis", "Saint Louis"),
        ("5 Main St. is near", "five Main Street is near"),
        ("It is at 5 Main St. It is near.", "It is at five Main Street. It is near."),
        ("fruit, e.g. apples", "fruit, for example apples"),
        ("red ones, i.e. ripe", "red ones, that is ripe"),
        ("pears etc. and plums", "pears et cetera and plums"),
        ("Pears, etc. Then plums", "Pears, et cetera. Then plums"),
        ("us vs. them", "us versus them"),
        ("approx. 5", "approximately five"),
        ("No. 5", "number five"),
        ("R&D", "R and D"),
        ("2 + 2 = 4", "two plus two equals four"),
        ("#5 and #tag", "number five and hashtag tag"),
        ("and/or", "and or"),
        ("he/she", "he or she"),
        ("~5 people", "about five people"),
        ("§5", "section five"),
        ("C# and C++", "C sharp and C plus plus"),
        ("3 < 5", "three less than five"),
        ("info@example.com", "info at example dot com"),
        ("example.com/menu", "example dot com slash menu"),  # without its path the page is not found
    ],
)
def test_abbreviations_and_symbols(written: str, spoken: str) -> None:
    assert normalize_voice_text(f"It is {written} now") == f"It is {spoken} now"


def test_a_street_may_end_a_sentence() -> None:
    assert normalize_voice_text("We are at 5 Main St.") == "We are at five Main Street."
    assert normalize_voice_text("We are at 5 Main St") == "We are at five Main Street"


@pytest.mark.parametrize("text", [" Hello *there*. ", "\n- Soup", "\n\n**Hi**", "Hi 😀\n"])
def test_the_white_space_around_a_clause_is_kept(text: str) -> None:
    cleaned = normalize_voice_text(text)
    assert text[: len(text) - len(text.lstrip())] == cleaned[: len(cleaned) - len(cleaned.lstrip())]
    assert cleaned.strip()


def test_clauses_cleaned_one_by_one_read_as_if_cleaned_together() -> None:
    reply = (
        "Sure! 😀 On **Nov 22, 2026** we open at 9:30, and a table for 4 costs $20.\n\n"
        "1. Soup\n2. Fish\n\n```python\nprint('x')\n```\nCall 555-0199, or see https://a.b/c."
    )
    splitter = ClauseSplitter()
    clauses = [clause for begin in range(0, len(reply), 3) for clause in splitter.feed(reply[begin : begin + 3])]
    spoken = "".join(normalize_voice_text(clause) for clause in [*clauses, splitter.flush()])
    assert spoken.split() == normalize_voice_text(reply).split()


def test_a_cleaner_is_called_like_a_function() -> None:
    cleaner = VoiceCleaner()
    assert cleaner("**5**") == cleaner.clean("**5**") == "five"


@pytest.mark.parametrize(
    "piece",
    [
        *("*", "(", "1", "[", "[](", "![", "_", "`", "-", "|", "<a ", "<!--", "$1", "1,", "1.", "1:", "1/", "1-", "+1"),
        *("a.", "a@", " ", "\n", " |", "\n- ", "5'", "Mon-", "Nov 1 ", "http://", "&", "- ", "[[", "e.", "😀", "0 12"),
    ],
)
def test_hostile_text_is_cleaned_without_getting_slow(piece: str) -> None:
    text = piece * (40_000 // len(piece))
    assert not re.search(r"\d", normalize_voice_text(text))  # quadratic work would meet the time limit of the test
