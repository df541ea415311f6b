"""The two protocols behind which speech services sit, and what passes through them.

A provider (`SpeechToText`, `TextToSpeech`) lives as long as the process and is shared by all calls; a stream belongs
to one call. Audio is always PCM16, little-endian, mono.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from voice_host_sdk.speech_config import STTConfig, TTSConfig


class ProviderError(Exception):
    """A speech service failed.

    Args:
        message: words fit for a caller: no key, no stack trace, nothing the caller said.
        code: stable, e.g. `stt_auth`, `stt_closed`, `tts_failed`.
        setting: the variable to look at when a credential was refused, e.g. `ASSEMBLYAI_API_KEY`.
        retryable: whether trying again may help.
    """

    def __init__(self, message: str, *, code: str, setting: str | None = None, retryable: bool = True) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.setting = setting
        self.retryable = retryable


# --- speech to text ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SpeechStarted:
    """Somebody began to speak."""


@dataclass(frozen=True, slots=True)
class SpeechEnded:
    """The voice fell silent; the turn may still go on."""


@dataclass(frozen=True, slots=True)
class Transcript:
    """What has been recognised of the current turn so far.

    Attributes:
        text: the whole turn so far, not an increment.
        final: the turn has ended. Exactly one final transcript per turn, empty only where a partial one was mistaken
            for words.
        confidence: 0 to 1, that the turn has ended; None where the service does not say.
    """

    text: str
    final: bool = False
    confidence: float | None = None


SpeechEvent = SpeechStarted | SpeechEnded | Transcript


@runtime_checkable
class SpeechToTextStream(Protocol):
    """One call's line to a recogniser. Iterating yields events until `aclose()`; a failure raises `ProviderError`."""

    async def send_audio(self, pcm: bytes) -> None:
        """Send PCM16 mono at `STTConfig.sample_rate`, any length of whole samples; may wait for a slow service."""

    def __aiter__(self) -> AsyncIterator[SpeechEvent]: ...

    async def aclose(self) -> None:
        """Close and wait until everything of this stream is gone. Idempotent."""


@runtime_checkable
class SpeechToText(Protocol):
    """A speech-to-text service."""

    @property
    def name(self) -> str:
        """As shown to people, e.g. `assemblyai`, `embedded`."""

    @property
    def reports_speech_end(self) -> bool:
        """Whether its streams yield `SpeechEnded`; without it only words, not sustained speech, can interrupt."""

    async def open(self, config: STTConfig) -> SpeechToTextStream:
        """Connect. Raises `ProviderError` when the service cannot be had."""

    async def aclose(self) -> None:
        """Give back whatever is shared by the streams."""


# --- text to speech ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class WordTiming:
    """When a word is spoken, in ms from the beginning of its utterance."""

    text: str
    start_ms: int
    end_ms: int


@dataclass(frozen=True, slots=True)
class SpeechAudio:
    """A piece of speech: whole PCM16 samples at `TTSConfig.sample_rate`, and words of the utterance if they are timed.

    Words that become known late come with a later piece, or with an empty one.
    """

    pcm: bytes
    words: tuple[WordTiming, ...] = ()


@runtime_checkable
class Utterance(Protocol):
    """One clause on its way to speech.

    Text is sent in pieces that end at word boundaries, while audio may already be read. Iterating yields audio until
    the utterance is complete; a failure raises `ProviderError`.
    """

    async def send_text(self, text: str) -> None:
        """Add text: one or more whole words."""

    async def end(self) -> None:
        """No more text follows."""

    def __aiter__(self) -> AsyncIterator[SpeechAudio]: ...

    async def aclose(self) -> None:
        """Stop at once if it is not complete, and free what it holds. Idempotent."""


@runtime_checkable
class TextToSpeechStream(Protocol):
    """One call's line to a voice. Utterances are opened one after the other; the next may open while one speaks."""

    async def utterance(self) -> Utterance:
        """Begin the next utterance. Raises `ProviderError` when the voice cannot be had."""

    async def aclose(self) -> None:
        """Close and wait until everything of this stream is gone. Idempotent."""


@runtime_checkable
class TextToSpeech(Protocol):
    """A text-to-speech service."""

    @property
    def name(self) -> str:
        """As shown to people, e.g. `orpheus`, `embedded`."""

    async def open(self, config: TTSConfig) -> TextToSpeechStream:
        """Prepare a call's line, warming whatever can be warmed without waiting for it."""

    async def aclose(self) -> None:
        """Give back whatever is shared by the streams."""
