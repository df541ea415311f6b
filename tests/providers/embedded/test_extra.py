from __future__ import annotations

import subprocess
import sys

import pytest

from voice_host.providers import embedded
from voice_host.providers.embedded import EmbeddedSpeechToText, EmbeddedTextToSpeech, extra, missing_extra
from voice_host_sdk import ProviderError, SpeechToText, STTConfig, TextToSpeech, TTSConfig


def test_nothing_is_missing_here() -> None:
    assert missing_extra() is None


async def test_a_missing_extra_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extra, "_MODULES", ("numpy", "no_such_engine"))
    assert missing_extra() == (
        'Embedded speech needs an extra: pip install "voice-host[embedded]" (missing: no_such_engine)'
    )
    with pytest.raises(ProviderError, match=r"voice-host\[embedded\]") as refused:
        await EmbeddedSpeechToText().open(STTConfig())
    assert (refused.value.code, refused.value.retryable) == ("stt_unavailable", False)
    with pytest.raises(ProviderError, match=r"voice-host\[embedded\]") as refused:
        await EmbeddedTextToSpeech().open(TTSConfig())
    assert (refused.value.code, refused.value.retryable) == ("tts_unavailable", False)


def test_importing_the_package_loads_no_engine() -> None:
    code = (
        f"import sys, {embedded.__name__} as e; e.EmbeddedSpeechToText(); e.EmbeddedTextToSpeech(); e.missing_extra();"
        f"print([name for name in {extra._MODULES!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_providers_are_what_the_sdk_asks_for() -> None:
    listener: SpeechToText = EmbeddedSpeechToText()
    voice: TextToSpeech = EmbeddedTextToSpeech()
    assert listener.name == voice.name == "embedded"
    assert isinstance(listener, SpeechToText)
    assert isinstance(voice, TextToSpeech)
