"""Speech over a telephone line without bass is found from its first word on."""

from __future__ import annotations

import pytest

from tests.benchmarks.telephone_hearing import TELEPHONE, heard_in_call, louder, silence
from tests.speech.embedded.speech import CLIPS, clip, plain


@pytest.mark.parametrize("gain_db", [0, -6, -12])
@pytest.mark.parametrize("name", ["go_forward_ten_meters.wav", "whats_the_weather_like.wav"])
def test_the_first_word_is_heard(name: str, gain_db: float) -> None:
    pcm = TELEPHONE(louder(clip(name), gain_db))
    for shift_ms in (0, 16):  # to the detector's windows, which is up to chance in a call
        heard = heard_in_call(silence(1000 + shift_ms) + pcm + silence(1500))
        assert plain(heard) == plain(CLIPS[name])
