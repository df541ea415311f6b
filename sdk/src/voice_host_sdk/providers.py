"""The protocols of speech services, `SpeechToText` and `TextToSpeech`, with their events and errors.

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
        message: safe to show to the caller: no key, no stack trace, nothing the caller said.
        code: stable, e.g. `stt_auth`, `stt_closed`, `tts_failed`.
        setting: the variable to check when a credential was refused, e.g. `ASSEMBLYAI_API_KEY`.
        retryable: whether another attempt may succeed.
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
    """The caller began to speak."""


@dataclass(frozen=True, slots=True)
class SpeechEnded:
    """The caller stopped speaking; the turn may continue."""


@dataclass(frozen=True, slots=True)
class Transcript:
    """What has been recognised of the current turn so far.

    Attributes:
        text: the whole turn so far, not an increment.
        final: the turn has ended. Exactly one final transcript per turn; empty only if a partial one mistook noise for
            words.
        confidence: 0 to 1, that the turn has ended; None if the service does not report it.
    """

    text: str
    final: bool = False
    confidence: float | None = None


SpeechEvent = SpeechStarted | SpeechEnded | Transcript


@runtime_checkable
class SpeechToTextStream(Protocol):
    """One call's stream to a recogniser. Iterating yields events until `aclose()`; a failure raises `ProviderError`."""

    async def send_audio(self, pcm: bytes) -> None:
        """Send PCM16 mono at `STTConfig.sample_rate`: whole samples, any length. May wait for a slow service."""

    def __aiter__(self) -> AsyncIterator[SpeechEvent]: ...

    async def aclose(self) -> None:
        """Close, and wait until all resources of this stream are released. Idempotent."""


@runtime_checkable
class SpeechToText(Protocol):
    """A speech-to-text service."""

    @property
    def name(self) -> str:
        """The name to display, e.g. `assemblyai`, `embedded`."""

    @property
    def reports_speech_end(self) -> bool:
        """Whether its streams yield `SpeechEnded`. If not, only words can interrupt the agent, not sustained speech."""

    async def open(self, config: STTConfig) -> SpeechToTextStream:
        """Connect. Raises `ProviderError` if the service is not available."""

    async def aclose(self) -> None:
        """Release what the streams share."""


# --- text to speech ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class WordTiming:
    """When a word is spoken, in ms from the beginning of its utterance."""

    text: str
    start_ms: int
    end_ms: int


@dataclass(frozen=True, slots=True)
class SpeechAudio:
    """A piece of speech: whole PCM16 samples at `TTSConfig.sample_rate`, and word timings if the service has them.

    Timings that become known late come with a later piece, or with an empty one.
    """

    pcm: bytes
    words: tuple[WordTiming, ...] = ()


@runtime_checkable
class Utterance(Protocol):
    """One clause that is being turned into speech.

    Text is sent in pieces that end at word boundaries; audio can be read meanwhile. Iterating yields audio until
    the utterance is complete; a failure raises `ProviderError`.
    """

    async def send_text(self, text: str) -> None:
        """Add text: one or more whole words."""

    async def end(self) -> None:
        """No more text follows."""

    def __aiter__(self) -> AsyncIterator[SpeechAudio]: ...

    async def aclose(self) -> None:
        """Stop at once if it is not complete, and release its resources. Idempotent."""


@runtime_checkable
class TextToSpeechStream(Protocol):
    """One call's stream to a voice. Utterances are spoken in order; the next one may be opened before one has ended."""

    async def utterance(self) -> Utterance:
        """Begin the next utterance. Raises `ProviderError` if the voice is not available."""

    async def aclose(self) -> None:
        """Close, and wait until all resources of this stream are released. Idempotent."""


@runtime_checkable
class TextToSpeech(Protocol):
    """A text-to-speech service."""

    @property
    def name(self) -> str:
        """The name to display, e.g. `orpheus`, `embedded`."""

    async def open(self, config: TTSConfig) -> TextToSpeechStream:
        """Open a stream for one call. May warm up connections in the background, but does not wait for them."""

    async def aclose(self) -> None:
        """Release what the streams share."""
