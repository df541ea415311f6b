"""Text on its way to the voice: cut into clauses, and cleaned."""

from voice_host.text.clauses import ClauseSplitter
from voice_host.text.cleaner import VoiceCleaner, normalize_voice_text

__all__ = ["ClauseSplitter", "VoiceCleaner", "normalize_voice_text"]
