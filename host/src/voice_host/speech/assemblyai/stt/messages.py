"""Messages of AssemblyAI's streaming speech-to-text (v3), parsed into speech events. No I/O."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from typing import Any

from voice_host_sdk import SpeechEvent, SpeechStarted, Transcript

logger = logging.getLogger(__name__)

_INPUT_ERRORS = (3006, 3007)


@dataclass(frozen=True, slots=True)
class Begun:
    """The session is open: audio may be sent."""


@dataclass(frozen=True, slots=True)
class Terminated:
    """The session is over; a close follows."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The service reports an error; a close with the same code follows."""

    code: int


ServiceMessage = SpeechEvent | Begun | Terminated | Refused


class MessageReader:
    """Parses the messages of one connection, and remembers which turn has ended, so that none ends twice.

    Unknown messages are skipped: the service may add new ones at any time.
    """

    def __init__(self) -> None:
        self._last_ended_turn = -1

    def read(self, raw: str | bytes) -> ServiceMessage | None:
        """Return the parsed message, or None if it means nothing to a call."""
        try:
            message = json.loads(raw)
        except (ValueError, RecursionError):
            message = None
        if not isinstance(message, dict):
            logger.warning("assemblyai: skipped a message that is not a JSON object")
            return None
        match message.get("type"):
            case "Turn":
                return self._read_turn(message)
            case "SpeechStarted":
                return SpeechStarted()
            case "Begin":
                return Begun()
            case "Termination":
                return Terminated()
            case "Warning":
                logger.warning("assemblyai: the service warns, code %r", message.get("warning_code"))
                return None
            case "Error" | None if "error" in message:
                return _read_error(message)
            case _:
                return None

    def _read_turn(self, message: dict[str, Any]) -> Transcript | None:
        """Return the turn so far.

        `end_of_turn` ends it, never `turn_is_formatted`: newer models mark partial transcripts as formatted too. Models
        of the Universal-Streaming family send a final twice, plain and then formatted. The first one counts: it is
        earlier, and a reply must not start twice.
        """
        order, text = message.get("turn_order"), message.get("transcript")
        if not isinstance(order, int) or not isinstance(text, str):
            logger.warning("assemblyai: skipped a turn without order or transcript")
            return None
        if not text.strip() or order <= self._last_ended_turn:
            return None
        final = message.get("end_of_turn") is True
        if final:
            self._last_ended_turn = order
        return Transcript(text.strip(), final=final, confidence=_confidence(message.get("end_of_turn_confidence")))


def _read_error(message: dict[str, Any]) -> Refused | None:
    code = message.get("error_code")
    # Messages about the input help the operator. Those of other errors may quote the key.
    words = str(message["error"])[:200] if code in _INPUT_ERRORS else ""
    logger.warning("assemblyai: the service reports an error, code %r %r", code, words)
    return Refused(code) if isinstance(code, int) else None  # without a code, the close that follows has one


def _confidence(value: object) -> float | None:
    return min(1.0, max(0.0, float(value))) if isinstance(value, int | float) else None
