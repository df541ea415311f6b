from __future__ import annotations

import subprocess
import sys

import pytest

from tests.speech.embedded.absent import without_engines
from voice_host.speech.embedded import requirements
from voice_host.speech.embedded.requirements import speech_problem, without_wheels
from voice_host.speech.embedded.stt import EmbeddedSpeechToText
from voice_host.speech.embedded.tts import EmbeddedTextToSpeech
from voice_host_sdk import ProviderError, SpeechToText, STTConfig, TextToSpeech, TTSConfig


def test_nothing_is_missing_here() -> None:
    assert speech_problem() is None


async def test_what_is_not_installed_is_named_and_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    without_engines(monkeypatch, "onnxruntime")
    problem = speech_problem()
    assert problem is not None
    assert 'install "voice-host[embedded]" (missing: onnxruntime)' in problem
    assert "ASSEMBLYAI_API_KEY" in problem
    assert EmbeddedSpeechToText().problem == EmbeddedTextToSpeech().problem == problem
    with pytest.raises(ProviderError, match="You can type") as refused:
        await EmbeddedSpeechToText().open(STTConfig())
    assert (refused.value.code, refused.value.retryable) == ("stt_unavailable", False)
    with pytest.raises(ProviderError, match="Replies come as text") as refused:
        await EmbeddedTextToSpeech().open(TTSConfig())
    assert (refused.value.code, refused.value.retryable) == ("tts_unavailable", False)


@pytest.mark.parametrize(
    ("system", "machine", "libc", "macos", "reason"),
    [
        ("darwin", "x86_64", ("", ""), "15.1", "no wheels of it for darwin on x86_64"),
        ("darwin", "arm64", ("", ""), "14.7.1", "needs macOS 15"),
        ("win32", "ARM64", ("", ""), "", "no wheels of it for win32 on ARM64"),
        ("linux", "riscv64", ("glibc", "2.39"), "", "no wheels of it for linux on riscv64"),
        ("linux", "x86_64", ("", ""), "", "without glibc, such as Alpine"),
        ("linux", "x86_64", ("glibc", "2.31"), "", "needs glibc 2.34 or newer, and this is 2.31"),
        ("linux", "aarch64", ("glibc", "2.28"), "", "needs glibc 2.31 or newer, and this is 2.28"),
    ],
)
def test_a_platform_without_wheels_is_told_so(
    system: str, machine: str, libc: tuple[str, str], macos: str, reason: str
) -> None:
    assert reason in (without_wheels(system, machine, libc, macos) or "")


@pytest.mark.parametrize(
    ("system", "machine", "libc", "macos"),
    [
        ("linux", "x86_64", ("glibc", "2.34"), ""),
        ("linux", "aarch64", ("glibc", "2.31"), ""),
        ("darwin", "arm64", ("", ""), "15.0"),
        ("win32", "AMD64", ("", ""), ""),
    ],
)
def test_a_platform_with_wheels_is_no_problem(system: str, machine: str, libc: tuple[str, str], macos: str) -> None:
    assert without_wheels(system, machine, libc, macos) is None


def test_importing_the_package_loads_no_engine() -> None:
    code = (
        "import sys; from voice_host.settings import *; from voice_host.speech.embedded.spec import SERVICE as s;"
        "[each.make(s.options(), ResilienceSettings()) for each in (s.speech_to_text, s.text_to_speech)];"
        f"print([name for name in {requirements.MODULES!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_providers_are_what_the_sdk_asks_for() -> None:
    listener: SpeechToText = EmbeddedSpeechToText()
    voice: TextToSpeech = EmbeddedTextToSpeech()
    assert listener.name == voice.name == "embedded"
    assert isinstance(listener, SpeechToText)
    assert isinstance(voice, TextToSpeech)


def test_nothing_is_downloaded_and_nothing_else_of_moonshine_is_loaded() -> None:
    code = """
import socket, sys
def refuse(*args, **kwargs):
    raise AssertionError("the network was asked for")
socket.socket.connect = socket.getaddrinfo = refuse
from voice_host.speech.embedded.stt.moonshine import load_model
from voice_host.speech.embedded.tts.hibari_voice import load_voice
sentence, rest = load_voice().speak_first_sentence("Good morning.")
load_model().transcribe(sentence.pcm)
print(len(sentence.pcm) > 0, "moonshine_voice" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "False"]
