"""The spec of embedded speech, which runs on this machine and needs no key."""

from __future__ import annotations

from voice_host.settings import Adapter, ResilienceSettings, ServiceOptions, SpeechService
from voice_host_sdk import SpeechToText, TextToSpeech


def _speech_to_text(_: ServiceOptions, __: ResilienceSettings) -> SpeechToText:
    from voice_host.speech.embedded.stt.adapter import EmbeddedSpeechToText

    return EmbeddedSpeechToText()


def _text_to_speech(_: ServiceOptions, __: ResilienceSettings) -> TextToSpeech:
    from voice_host.speech.embedded.tts.adapter import EmbeddedTextToSpeech

    return EmbeddedTextToSpeech()


SERVICE = SpeechService(
    name="embedded",
    speech_to_text=Adapter(make=_speech_to_text, auto_rank=1000),
    text_to_speech=Adapter(make=_text_to_speech, auto_rank=1000),
    limitations="Demo speech on this machine: English, one close microphone, a quiet room, short everyday sentences.",
)
