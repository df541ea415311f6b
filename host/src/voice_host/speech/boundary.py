"""Wrappers around speech services that turn whatever they raise into a logged `ProviderError`.

A third party's service may raise anything. A call knows how to handle a `ProviderError`: reconnect, repeat the clause,
or tell the caller.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import TypeVar

from voice_host.observability.logs import get_logger
from voice_host.plain_data import valid_unicode
from voice_host.tenancy import contained, type_of
from voice_host_sdk import (
    ProviderError,
    SpeechAudio,
    SpeechEvent,
    SpeechToTextStream,
    TextToSpeech,
    TextToSpeechStream,
    Transcript,
    TTSConfig,
    Utterance,
)

log = get_logger(__name__)

_Result = TypeVar("_Result")
_END = object()

STT_FAILED, TTS_FAILED = "stt_failed", "tts_failed"

_MESSAGES = {STT_FAILED: "Speech recognition failed.", TTS_FAILED: "The voice failed."}


async def ask_service(call: Callable[[], Awaitable[_Result]], code: str) -> _Result:
    """Await code of a speech service.

    Args:
        code: the error's code, if the service raises anything but a `ProviderError`.

    Raises:
        ProviderError: whatever it raised.
    """
    try:
        return await contained(call)
    except ProviderError:
        raise
    except Exception as error:
        log.warning("speech_service_failed", code=code, error=type_of(error), exc_info=error)
        raise ProviderError(_MESSAGES[code], code=code) from error


async def _close(call: Callable[[], Awaitable[None]], code: str) -> None:
    """Close something of a service. A failure is logged and otherwise ignored."""
    with suppress(ProviderError):
        await ask_service(call, code)


def _wrong_type(item: object, code: str) -> ProviderError:
    """Return the error for an item of a stream that has none of the protocol's types."""
    log.warning("speech_service_failed", code=code, error=f"its stream yielded a {type(item).__name__}")
    return ProviderError(_MESSAGES[code], code=code)


class ContainedSpeechToTextStream:
    """A recogniser's stream (`SpeechToTextStream`)."""

    def __init__(self, stream: SpeechToTextStream) -> None:
        self._stream = stream
        self._events: AsyncIterator[SpeechEvent] | None = None

    async def send_audio(self, pcm: bytes) -> None:
        await ask_service(partial(self._stream.send_audio, pcm), STT_FAILED)

    def __aiter__(self) -> AsyncIterator[SpeechEvent]:
        return self

    async def __anext__(self) -> SpeechEvent:
        event = await ask_service(self._next, STT_FAILED)
        if event is _END:
            raise StopAsyncIteration
        if not isinstance(event, SpeechEvent):
            raise _wrong_type(event, STT_FAILED)
        return replace(event, text=valid_unicode(event.text)) if isinstance(event, Transcript) else event

    async def _next(self) -> object:
        if self._events is None:
            self._events = aiter(self._stream)
        return await anext(self._events, _END)

    async def aclose(self) -> None:
        await _close(self._stream.aclose, STT_FAILED)


class ContainedTextToSpeech:
    """A voice (`TextToSpeech`)."""

    def __init__(self, voice: TextToSpeech) -> None:
        self._voice = voice
        self.name = voice.name

    async def open(self, config: TTSConfig) -> TextToSpeechStream:
        return _ContainedVoiceStream(await ask_service(partial(self._voice.open, config), TTS_FAILED))

    async def aclose(self) -> None:
        await _close(self._voice.aclose, TTS_FAILED)


class _ContainedVoiceStream:
    def __init__(self, stream: TextToSpeechStream) -> None:
        self._stream = stream

    async def utterance(self) -> Utterance:
        return _ContainedUtterance(await ask_service(self._stream.utterance, TTS_FAILED))

    async def aclose(self) -> None:
        await _close(self._stream.aclose, TTS_FAILED)


class _ContainedUtterance:
    def __init__(self, utterance: Utterance) -> None:
        self._utterance = utterance
        self._audio: AsyncIterator[SpeechAudio] | None = None

    async def send_text(self, text: str) -> None:
        await ask_service(partial(self._utterance.send_text, text), TTS_FAILED)

    async def end(self) -> None:
        await _close(self._utterance.end, TTS_FAILED)  # a failure shows when its audio is read

    def __aiter__(self) -> AsyncIterator[SpeechAudio]:
        return self

    async def __anext__(self) -> SpeechAudio:
        audio = await ask_service(self._next, TTS_FAILED)
        if audio is _END:
            raise StopAsyncIteration
        if not isinstance(audio, SpeechAudio):
            raise _wrong_type(audio, TTS_FAILED)
        return audio

    async def _next(self) -> object:
        if self._audio is None:
            self._audio = aiter(self._utterance)
        return await anext(self._audio, _END)

    async def aclose(self) -> None:
        await _close(self._utterance.aclose, TTS_FAILED)
