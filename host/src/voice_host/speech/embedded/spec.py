"""The spec of embedded speech, which runs on this machine and needs no key."""

from __future__ import annotations

from voice_host.settings import Adapter, ResilienceSettings, ServiceOptions, SpeechProcessSpec, SpeechService
from voice_host.speech.host_process import speech_process
from voice_host_sdk import SpeechToText, TextToSpeech


def _speech_to_text(_: ServiceOptions, __: ResilienceSettings) -> SpeechToText:
    from voice_host.speech.embedded.requirements import DETECTOR
    from voice_host.speech.embedded.stt.adapter import EmbeddedSpeechToText

    if (address := speech_process()) is None:
        return EmbeddedSpeechToText()
    from voice_host.speech.embedded.process.client import RemoteRecogniser

    return EmbeddedSpeechToText(RemoteRecogniser(address), DETECTOR)


def _text_to_speech(_: ServiceOptions, __: ResilienceSettings) -> TextToSpeech:
    from voice_host.speech.embedded.tts.adapter import EmbeddedTextToSpeech

    if (address := speech_process()) is None:
        return EmbeddedTextToSpeech()
    from voice_host.speech.embedded.process.client import RemoteSynthesiser

    return EmbeddedTextToSpeech(RemoteSynthesiser(address), ())


def _problem() -> str | None:
    from voice_host.speech.embedded.requirements import speech_problem

    return speech_problem()


SERVICE = SpeechService(
    name="embedded",
    speech_to_text=Adapter(make=_speech_to_text, auto_rank=1000),
    text_to_speech=Adapter(make=_text_to_speech, auto_rank=1000),
    process=SpeechProcessSpec(
        module="voice_host.speech.embedded.process",
        imports=(
            "voice_host.speech.embedded.process.client",
            "voice_host.speech.embedded.stt.adapter",
            "voice_host.speech.embedded.stt.stream",
            "voice_host.speech.embedded.tts.adapter",
        ),
        problem=_problem,
    ),
    limitations="Demo speech on this machine: English, one close microphone, a quiet room, short everyday sentences.",
)
