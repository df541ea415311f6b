"""Text on its way to the voice: cut into clauses, and cleaned."""

from voice_host.text.clauses import ClauseSplitter
from voice_host.text.cleaner import VoiceCleaner, normalize_voice_text
from voice_host.text.spoken_stream import SpokenPiece, SpokenStream

__all__ = ["ClauseSplitter", "SpokenPiece", "SpokenStream", "VoiceCleaner", "normalize_voice_text"]
