"""The names of the speech services. The adapters behind them are imported by `providers.select`, when one is chosen."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator

from voice_host.settings.errors import suggestion

AUTO = "auto"
SPEECH_TO_TEXT = ("assemblyai", "embedded")
TEXT_TO_SPEECH = ("orpheus", "assemblyai", "embedded")


def _one_of(kind: str, *known: str) -> AfterValidator:
    def check(name: str) -> str:
        if name not in known:
            close = suggestion(name, known)
            meant = f"; did you mean {close!r}?" if close else ""
            raise ValueError(f"there is no {kind} service {name!r}, only {', '.join(known)}{meant}")
        return name

    return AfterValidator(check)


SpeechToTextName = Annotated[str, _one_of("speech-to-text", AUTO, *SPEECH_TO_TEXT)]
TextToSpeechName = Annotated[str, _one_of("text-to-speech", AUTO, *TEXT_TO_SPEECH)]
