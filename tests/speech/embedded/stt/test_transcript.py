from __future__ import annotations

import pytest

from voice_host.speech.embedded.stt.transcript import sounds_complete, words_of


@pytest.mark.parametrize("text", ["", "You", "you.", "♪♪", "♪ ♪", "...", " - "])
def test_what_the_model_makes_of_noise_is_no_words(text: str) -> None:
    assert words_of(text) == ""


@pytest.mark.parametrize("text", ["You too.", "No.", "5", "Thank you.", "7:30 PM."])
def test_words_stay_as_they_were_written(text: str) -> None:
    assert words_of(text) == text


@pytest.mark.parametrize("text", ["What's the weather like?", "Cancel it.", "Yes!", "For tomorrow evening."])
def test_a_turn_may_end_with_a_whole_sentence(text: str) -> None:
    assert sounds_complete(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "I want to um chake",
        "One, two,",
        "One.",
        "My number is 555.",
        "Seventeen.",
        "I'd like a table for.",
        "Um.",
        "What is the.",
        "Call me at 555-1234.",
        "My postcode is SW1A1AA.",
    ],
)
def test_after_a_number_a_hesitation_or_half_a_sentence_more_is_expected(text: str) -> None:
    assert not sounds_complete(text)
