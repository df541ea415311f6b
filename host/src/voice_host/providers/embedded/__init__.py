"""Speech on this machine: no key, no download. A demo voice for English, one close microphone and a quiet room."""

from voice_host.providers.embedded.extra import missing_extra
from voice_host.providers.embedded.stt.adapter import EmbeddedSpeechToText
from voice_host.providers.embedded.tts.adapter import EmbeddedTextToSpeech

__all__ = ["EmbeddedSpeechToText", "EmbeddedTextToSpeech", "missing_extra"]
