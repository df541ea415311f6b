"""Speech on this machine: no key, no download. A demo voice for English, one close microphone and a quiet room."""

from voice_host.providers.embedded.extra import missing_extra
from voice_host.providers.embedded.speech_to_text import EmbeddedSpeechToText
from voice_host.providers.embedded.text_to_speech import EmbeddedTextToSpeech

__all__ = ["EmbeddedSpeechToText", "EmbeddedTextToSpeech", "missing_extra"]
