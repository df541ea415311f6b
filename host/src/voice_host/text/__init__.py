"""Text for the voice: cut into clauses and normalized, so that it is spoken as a person would say it."""

from voice_host.text.clauses import ClauseSplitter
from voice_host.text.cleaner import VoiceCleaner, normalize_voice_text
from voice_host.text.custom_cleaner import CustomCleaner
from voice_host.text.spans import SpokenWord, Worded
from voice_host.text.spoken_stream import ClauseWording, SpokenPiece, SpokenStream
from voice_host.text.wording import Wording, wording_for

__all__ = [
    "ClauseSplitter",
    "ClauseWording",
    "CustomCleaner",
    "SpokenPiece",
    "SpokenStream",
    "SpokenWord",
    "VoiceCleaner",
    "Worded",
    "Wording",
    "normalize_voice_text",
    "wording_for",
]
