from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from voice_host.speech.embedded.stt import EmbeddedSpeechToText
from voice_host.speech.embedded.tts import EmbeddedTextToSpeech


@pytest.fixture
async def speech_to_text() -> AsyncIterator[EmbeddedSpeechToText]:
    provider = EmbeddedSpeechToText()
    yield provider
    await provider.aclose()


@pytest.fixture
async def text_to_speech() -> AsyncIterator[EmbeddedTextToSpeech]:
    provider = EmbeddedTextToSpeech()
    yield provider
    await provider.aclose()
