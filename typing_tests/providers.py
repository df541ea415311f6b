"""Speech services of a third party."""

from __future__ import annotations

from collections.abc import AsyncIterator

from voice_host_sdk import (
    ProviderError,
    SpeechAudio,
    SpeechEnded,
    SpeechEvent,
    SpeechStarted,
    SpeechToText,
    SpeechToTextStream,
    STTConfig,
    TextToSpeech,
    TextToSpeechStream,
    Transcript,
    TTSConfig,
    Utterance,
    WordTiming,
)


class MyStream:
    async def send_audio(self, pcm: bytes) -> None:
        if not pcm:
            raise ProviderError("The service is gone.", code="stt_closed", setting="MY_KEY", retryable=False)

    async def __aiter__(self) -> AsyncIterator[SpeechEvent]:
        yield SpeechStarted()
        yield Transcript("hello", confidence=0.4)
        yield SpeechEnded()
        yield Transcript("Hello.", final=True)

    async def aclose(self) -> None: ...


class MyRecogniser:
    name = "mine"
    reports_speech_end = True

    async def open(self, config: STTConfig) -> SpeechToTextStream:
        return MyStream()

    async def aclose(self) -> None: ...


class MyUtterance:
    async def send_text(self, text: str) -> None: ...

    async def end(self) -> None: ...

    async def __aiter__(self) -> AsyncIterator[SpeechAudio]:
        yield SpeechAudio(b"\0\0", (WordTiming("hello", 0, 300),))

    async def aclose(self) -> None: ...


class MyLine:
    async def utterance(self) -> Utterance:
        return MyUtterance()

    async def aclose(self) -> None: ...


class MyVoice:
    @property
    def name(self) -> str:
        return "mine"

    async def open(self, config: TTSConfig) -> TextToSpeechStream:
        return MyLine()

    async def aclose(self) -> None: ...


recogniser: SpeechToText = MyRecogniser()
voice: TextToSpeech = MyVoice()


class NoEnd:
    """It does not say whether it reports the end of speech."""

    name = "mine"

    async def open(self, config: STTConfig) -> SpeechToTextStream:
        return MyStream()

    async def aclose(self) -> None: ...


class WrongConfig:
    name = "mine"

    async def open(self, config: STTConfig) -> TextToSpeechStream:
        return MyLine()

    async def aclose(self) -> None: ...


no_recogniser: SpeechToText = NoEnd()  # type: ignore[assignment]
no_voice: TextToSpeech = WrongConfig()  # type: ignore[assignment]
Transcript(b"hello")  # type: ignore[arg-type]
ProviderError("It has no code.")  # type: ignore[call-arg]
