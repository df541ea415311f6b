"""Counting words, and telling stop words and back-channels from other words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from voice_host.turns.caller_words import BACKCHANNELS, STOP_WORDS, BargeInWords, asks, count_words, has_word
from voice_host_sdk import TurnConfig

WORDS = BargeInWords(TurnConfig())


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("", 0), (". .", 0), ("- …", 0), ("one", 1), ("two words", 2), ("twenty-five", 1), ("it's 9:30.", 2),
        ("はい", 1), ("うん", 1), ("待って", 2), ("ちょっと待ってください", 6), ("好的", 1), ("停", 1), ("等一下", 2),
        ("请稍等一下", 3), ("ครับ", 1), ("รอสักครู่ครับ", 3), ("네 잠깐만요", 2), ("да", 1), ("रुकिए", 1),
        ("OK わかりました", 4),
    ],
)  # fmt: skip
def test_words_are_counted_in_any_script(text: str, count: int) -> None:
    assert count_words(text) == count


@pytest.mark.parametrize("phrase", STOP_WORDS)
def test_each_stop_word_interrupts(phrase: str) -> None:
    for text in (phrase, phrase.upper() + "!", f"Okay, {phrase}."):
        assert WORDS.interrupts(text)
        assert not WORDS.is_backchannel(text)


@pytest.mark.parametrize("phrase", BACKCHANNELS)
def test_each_back_channel_does_not_however_often(phrase: str) -> None:
    for text in (phrase, phrase.capitalize() + ".", f"{phrase}, {phrase}. {phrase}", phrase.replace("-", " ")):
        assert not WORDS.interrupts(text)
        assert WORDS.is_backchannel(text)


@pytest.mark.parametrize(
    "text", ["Aha!", "Uh-huh.", "Mm-hmm,", "M-hm.", "Mm.", "Okay.", "Oh, i see.", "Right?", "Oh, yeah."]
)
def test_back_channels_as_the_embedded_recogniser_spells_them_do_not(text: str) -> None:
    assert not WORDS.interrupts(text)
    assert WORDS.is_backchannel(text)


@pytest.mark.parametrize(
    "text", ["okay but", "right now", "I see a problem", "yeah no", "tomorrow at nine", "unstoppable me"]
)
def test_other_words_interrupt_from_two_on(text: str) -> None:
    assert WORDS.interrupts(text)


@pytest.mark.parametrize("text", ["tomorrow", "no", "bus-stops", "awaiting"])
def test_one_other_word_does_not(text: str) -> None:
    assert not WORDS.interrupts(text)
    assert not WORDS.is_backchannel(text)


def test_the_beginning_of_a_back_channel_may_become_one() -> None:
    assert WORDS.is_backchannel("okay, I", so_far=True)
    assert not WORDS.interrupts("okay, I", so_far=True)
    assert WORDS.interrupts("okay, I")


def test_empty_lists_turn_both_off() -> None:
    none = BargeInWords(TurnConfig(stop_words=(), backchannels=()))
    assert not none.interrupts("stop")
    assert none.interrupts("okay okay")


@pytest.mark.parametrize("field", ["stop_words", "backchannels"])
@pytest.mark.parametrize("phrase", ["", "  ", "?!"])
def test_a_phrase_without_a_word_is_refused(field: str, phrase: str) -> None:
    with pytest.raises(ValidationError, match="contains no word: give words or phrases"):
        TurnConfig.model_validate({field: ("wait", phrase)})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Shall I?", True), ('He asked: "Shall I?"', True), ("Shall I? Just say yes.", True), ("予約しますか？", True),
        ("Shall I?  ", True), ("I shall.", False), ("", False), ("Why? Because I said so. And so it is.", False),
    ],
)  # fmt: skip
def test_what_asks(text: str, expected: bool) -> None:
    assert asks(text) is expected


@given(st.text(max_size=200))
def test_any_text_is_taken(text: str) -> None:
    assert (count_words(text) > 0) == has_word(text)
    assert not (WORDS.interrupts(text) and WORDS.is_backchannel(text))
    asks(text)
