"""Text-to-speech by the Orpheus model as Baseten serves it."""

from voice_host.providers.orpheus.adapter import OrpheusStream, OrpheusTextToSpeech

__all__ = ["OrpheusStream", "OrpheusTextToSpeech"]
