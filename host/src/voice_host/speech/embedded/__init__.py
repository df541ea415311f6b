"""Speech on this machine: no key, no download. English."""

from voice_host.speech.embedded.requirements import speech_problem
from voice_host.speech.embedded.stt.adapter import EmbeddedSpeechToText
from voice_host.speech.embedded.tts.adapter import EmbeddedTextToSpeech

__all__ = ["EmbeddedSpeechToText", "EmbeddedTextToSpeech", "speech_problem"]
