"""What a worker does with the speech process, in a process of its own."""

from __future__ import annotations

import sys

from tests.speech.embedded.speech import clip, words_of
from voice_host.settings import ResilienceSettings
from voice_host.speech.embedded.spec import SERVICE
from voice_host.speech.host_process import SpeechAddress, use_speech_process
from voice_host_sdk import STTConfig, TTSConfig


async def run(path: str, agent_id: str, key: str) -> None:
    """Hear and say something, and print the words, and whether this process has loaded the models' library."""
    use_speech_process(SpeechAddress(path, agent_id, key))
    assert SERVICE.speech_to_text is not None
    assert SERVICE.text_to_speech is not None
    listener = SERVICE.speech_to_text.make(SERVICE.options(), ResilienceSettings())
    voice = SERVICE.text_to_speech.make(SERVICE.options(), ResilienceSettings())
    words = await words_of(await listener.open(STTConfig()), clip("whats_the_weather_like.wav"))
    utterance = await (await voice.open(TTSConfig())).utterance()
    await utterance.send_text(words)
    await utterance.end()
    assert sum([len(audio.pcm) async for audio in utterance]) > 24_000
    await listener.aclose()
    await voice.aclose()
    print(words, "onnxruntime:", "onnxruntime" in sys.modules)
