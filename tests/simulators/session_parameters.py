"""The query parameters of AssemblyAI's streaming endpoint. Unknown names are ignored, bad values refused."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

MODELS = {
    "universal-3-5-pro",
    "universal-3-6",
    "universal-3-6-pro",
    "u3-rt-pro",
    "universal-streaming-english",
    "universal-streaming-multilingual",
}


class BadParameter(ValueError):
    """A value the service refuses."""


@dataclass(frozen=True)
class SessionParameters:
    """What a simulated session goes by."""

    sample_rate: int
    min_turn_silence: int
    double_finals: bool


def read_parameters(query: Mapping[str, str]) -> SessionParameters:
    """Check a query. Raises `BadParameter`."""
    model = query.get("speech_model", "universal-streaming-english")
    if model not in MODELS:
        raise BadParameter(f"Model {model} is not supported")
    if query.get("encoding", "pcm_s16le") != "pcm_s16le":
        raise BadParameter("this simulator hears pcm_s16le only")
    _check_lists(query)
    format_turns = _flag(query, "format_turns")
    min_turn_silence = _number(query, "min_turn_silence", 0, 60_000, default=400)
    if "min_end_of_turn_silence_when_confident" in query:
        min_turn_silence = _number(query, "min_end_of_turn_silence_when_confident", 0, 60_000, default=400)
    _number(query, "max_turn_silence", 0, 60_000, default=1200)
    return SessionParameters(
        sample_rate=_number(query, "sample_rate", 8000, 48_000),
        min_turn_silence=min_turn_silence,
        double_finals=format_turns and model.startswith("universal-streaming"),
    )


def _check_lists(query: Mapping[str, str]) -> None:
    for name, longest in (("keyterms_prompt", 100), ("language_codes", 100)):
        try:
            items = json.loads(query.get(name, "[]"))
        except ValueError:
            raise BadParameter(f"{name} is not JSON") from None
        if not isinstance(items, list) or len(items) > longest:
            raise BadParameter(f"{name} must be a list of at most {longest}")
    if len(query.get("agent_context", "")) > 1750:
        raise BadParameter("agent_context is longer than 1750 characters")


def _flag(query: Mapping[str, str], name: str) -> bool:
    value = query.get(name, "false").lower()
    if value not in ("true", "false"):
        raise BadParameter(f"{name} must be true or false")
    return value == "true"


def _number(query: Mapping[str, str], name: str, low: int, high: int, *, default: int | None = None) -> int:
    value = query.get(name, "" if default is None else str(default))
    if not value.isdigit() or not low <= int(value) <= high:
        raise BadParameter(f"{name} must be a whole number from {low} to {high}")
    return int(value)
