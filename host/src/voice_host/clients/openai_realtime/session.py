"""The session as the client sees it: what it asks for, and what is in effect."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from voice_host.clients.openai_realtime.client_events import EventError
from voice_host.clients.protocol import AudioFormat

PCM_HZ = 24000
"""The only rate of `audio/pcm` in this protocol."""

FORMATS: Mapping[str, AudioFormat] = {
    "audio/pcm": AudioFormat("pcm16", PCM_HZ),
    "audio/pcmu": AudioFormat("mulaw", 8000),
    "audio/pcma": AudioFormat("alaw", 8000),
}
"""The audio formats, by their names in the protocol."""

_BYTES_PER_MS = {"pcm16": PCM_HZ * 2 / 1000, "mulaw": 8, "alaw": 8}


def duration_ms(audio: bytes, audio_format: AudioFormat) -> float:
    """Return how long audio in one of `FORMATS` lasts."""
    return len(audio) / _BYTES_PER_MS[audio_format.encoding]


class Session:
    """The settings of one session. What the agent owns is not the client's to change.

    Args:
        model: the address of the agent, in the place of a model.
        expires_at: when the session has to end, in seconds since 1970; None: not known.

    Attributes:
        id: set when the session begins.
        manual: the client decides when a turn ends (`turn_detection: null`).
        text_only: the client wants text and no speech.
    """

    def __init__(self, model: str, expires_at: int | None = None) -> None:
        self.id = ""
        self.manual = False
        self.text_only = False
        self._model = model
        self._expires_at = expires_at
        self._input = "audio/pcm"
        self._output = "audio/pcm"

    @property
    def microphone(self) -> AudioFormat:
        """The format of the audio that the client sends."""
        return FORMATS[self._input]

    @property
    def speaker(self) -> AudioFormat:
        """The format of the audio that the client plays."""
        return FORMATS[self._output]

    def update(self, asked: Mapping[str, Any]) -> EventError | None:
        """Take over what the client may decide; the rest stays as it is, which is no error.

        Args:
            asked: the `session` of a `session.update`.

        Returns:
            what the client has to be told beside the effective session.

        Raises:
            EventError: a field has an invalid value. Nothing was changed.
        """
        if asked.get("type", "realtime") != "realtime":
            raise EventError("Only sessions of type realtime are served.", "invalid_value", "session.type")
        for name in ("input_audio_format", "output_audio_format"):
            if asked.get(name) is not None:
                message = f"{name} belongs to the beta of this API: set session.audio.{name.split('_')[0]}.format."
                raise EventError(message, "unknown_parameter", f"session.{name}")
        given, taken = _object(asked, "audio", "input"), _object(asked, "audio", "output")
        formats = (_format(given, "input") or self._input, _format(taken, "output") or self._output)
        text_only = _text_only(asked.get("output_modalities"), self.text_only)
        manual = _manual(given["turn_detection"]) if "turn_detection" in given else self.manual
        self._input, self._output = formats
        self.text_only, self.manual = text_only, manual
        if asked.get("tools"):
            message = "The tools are the agent's, and run on the server: a client cannot bring its own."
            return EventError(message, "invalid_value", "session.tools")
        return None

    def output(self) -> dict[str, Any]:
        """Return how the agent sounds, as responses tell it."""
        return {"format": _described(self._output), "voice": self._model}

    def effective(self) -> dict[str, Any]:
        """Return the session in effect, as `session.created` and `session.updated` tell it."""
        return {
            "type": "realtime",
            "object": "realtime.session",
            "id": self.id,
            "model": self._model,
            "output_modalities": ["text" if self.text_only else "audio"],
            "instructions": "",
            "tools": [],
            "tool_choice": "auto",
            "max_output_tokens": "inf",
            "tracing": None,
            "truncation": "auto",
            "prompt": None,
            "expires_at": self._expires_at,
            "include": None,
            "audio": {
                "input": {
                    "format": _described(self._input),
                    "transcription": {"model": self._model, "language": None, "prompt": None},
                    "noise_reduction": None,
                    "turn_detection": None if self.manual else dict(TURN_DETECTION),
                },
                "output": {**self.output(), "speed": 1.0},
            },
        }


TURN_DETECTION = {
    "type": "semantic_vad",
    "eagerness": "auto",
    "create_response": True,
    "interrupt_response": True,
}
"""The host decides by its own rules when a turn is over; this is what comes closest to them."""


def _described(name: str) -> dict[str, Any]:
    return {"type": name, "rate": PCM_HZ} if name == "audio/pcm" else {"type": name}


def _object(asked: Mapping[str, Any], *path: str) -> Mapping[str, Any]:
    """Return a nested object; an empty one if it is not given."""
    where, found = "session", asked
    for name in path:
        where = f"{where}.{name}"
        inner = found.get(name)
        if inner is None:
            return {}
        if not isinstance(inner, Mapping):
            raise EventError(f"{where} must be an object.", "invalid_value", where)
        found = inner
    return found


def _format(side: Mapping[str, Any], name: str) -> str | None:
    where = f"session.audio.{name}.format"
    asked = side.get("format")
    if asked is None:
        return None
    kind = asked.get("type", "audio/pcm") if isinstance(asked, Mapping) else None
    if not isinstance(kind, str) or kind not in FORMATS:
        known = ", ".join(FORMATS)
        raise EventError(f"{where} must be an object whose type is one of {known}.", "invalid_value", where)
    if asked.get("rate") not in (None, hz := FORMATS[kind].sample_rate):
        raise EventError(f"{kind} has a rate of {hz}.", "invalid_value", f"{where}.rate")
    return kind


def _text_only(asked: Any, before: bool) -> bool:
    if asked is None:
        return before
    if asked not in (["audio"], ["text"], ["text", "audio"], ["audio", "text"]):
        message = 'output_modalities must be ["audio"] or ["text"].'
        raise EventError(message, "invalid_value", "session.output_modalities")
    return bool(asked == ["text"])


def _manual(asked: Any) -> bool:
    if asked is None:
        return True
    kind = asked.get("type") if isinstance(asked, Mapping) else None
    if kind not in ("server_vad", "semantic_vad"):
        where = "session.audio.input.turn_detection"
        raise EventError("turn_detection must be server_vad, semantic_vad or null.", "invalid_value", where)
    return False
