"""Speech-to-text on this machine."""

from voice_host.speech.embedded.stt.adapter import EmbeddedSpeechToText

__all__ = ["EmbeddedSpeechToText"]
