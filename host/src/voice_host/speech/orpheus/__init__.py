"""Text-to-speech by the Orpheus model as Baseten serves it."""

from voice_host.speech.orpheus.adapter import OrpheusStream, OrpheusTextToSpeech

__all__ = ["OrpheusStream", "OrpheusTextToSpeech"]
