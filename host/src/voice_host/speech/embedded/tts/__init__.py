"""Text-to-speech on this machine."""

from voice_host.speech.embedded.tts.adapter import EmbeddedTextToSpeech

__all__ = ["EmbeddedTextToSpeech"]
