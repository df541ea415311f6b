from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from voice_host.settings import built_in_services
from voice_host.speech.embedded.stt import EmbeddedSpeechToText
from voice_host.speech.embedded.tts import EmbeddedTextToSpeech

built_in_services()  # reads folders, which settings do before there is an event loop


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Run these tests in real time, as the engines do."""
    return {"loop": asyncio.SelectorEventLoop}


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
