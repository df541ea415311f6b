"""Messages and errors of AssemblyAI's text-to-speech. No I/O."""

from __future__ import annotations

import base64
import binascii
import json
import logging
from dataclasses import dataclass
from typing import Any

from voice_host.speech.assemblyai.refusals import KEY_SETTING, why_refused
from voice_host.speech.service_socket import ConnectFailed
from voice_host_sdk import ProviderError, WordTiming

logger = logging.getLogger(__name__)

# Close codes, which are the codes of `Error` messages too. Those not listed mean that the voice failed.
_CODES = {1008: "tts_auth", 3006: "tts_bad_request", 3009: "tts_busy", 3012: "tts_bad_request", 3014: "tts_bad_request"}
_WORDS = {
    "tts_auth": "The voice service refused the credentials or the account.",
    "tts_bad_request": "The voice service refused the request.",
    "tts_busy": "The voice service has no free session.",
    "tts_failed": "The voice failed.",
    "tts_timeout": "The voice service did not answer in time.",
    "tts_unreachable": "The voice service cannot be reached.",
}
_FINAL = {"tts_auth", "tts_bad_request"}
_FINAL_CODES = {3010, 3011}
"""Text sent, or audio read, at the wrong pace: the same again would fail again."""


@dataclass(frozen=True, slots=True)
class Begun:
    """The session is open. `word_timings`: whether its speech comes with the times of its words."""

    word_timings: bool


@dataclass(frozen=True, slots=True)
class Audio:
    """A piece of the speech of one flush, PCM16; it may end within a sample."""

    flush_id: int
    pcm: bytes


@dataclass(frozen=True, slots=True)
class FlushDone:
    """A flush has all its audio."""

    flush_id: int


@dataclass(frozen=True, slots=True)
class Words:
    """The words of one flush, timed from its beginning. They come after `FlushDone`, at most once, or not at all."""

    flush_id: int
    words: tuple[WordTiming, ...]


@dataclass(frozen=True, slots=True)
class Terminated:
    """The session is over; a close follows."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The service reports an error; a close follows."""

    error: ProviderError


VoiceMessage = Begun | Audio | FlushDone | Words | Terminated | Refused


def read_message(raw: str | bytes) -> VoiceMessage | None:
    """Return the parsed message, or None. Unknown messages are skipped: the service may add new ones."""
    try:
        message = json.loads(raw)
        return _read(message) if isinstance(message, dict) else None
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, binascii.Error):
        logger.warning("assemblyai voice: skipped a message that cannot be understood")
        return None


def _read(message: dict[str, Any]) -> VoiceMessage | None:
    match message.get("type"):
        case "Audio":
            return Audio(int(message["flush_id"]), base64.b64decode(message["audio"], validate=True))
        case "FlushDone":
            return FlushDone(int(message["flush_id"]))
        case "WordBoundaries":
            start_ms = message["audio_start_ms"]
            return Words(int(message["flush_id"]), tuple(_timing(word, start_ms) for word in message["words"]))
        case "Begin":
            configuration = message.get("configuration") or {}
            return Begun(word_timings=configuration.get("word_boundaries") is not False)
        case "Termination":
            return Terminated()
        case "Error":
            return Refused(_reported_error(message))
        case _:
            return None


def _timing(word: dict[str, Any], start_ms: float) -> WordTiming:
    """The service counts from the first audio of the session; `start_ms` is where this flush began."""
    begin, end = (max(0, round(word[name] - start_ms)) for name in ("start", "end"))
    return WordTiming(str(word["word"]), begin, max(begin, end))


def _reported_error(message: dict[str, Any]) -> ProviderError:
    code, retryable = message.get("error_code"), message.get("retryable")
    # The message is not logged: it may quote the text or the key.
    logger.warning("assemblyai voice: the service reports an error, code %r", code)
    error = closed_error(code if isinstance(code, int) else None)
    if not isinstance(retryable, bool) or retryable == error.retryable:
        return error
    # The service decides whether to retry. An error that may pass is not one of credentials.
    return tts_error("tts_failed" if retryable else error.code, retryable=retryable)


def tts_error(code: str, *, retryable: bool | None = None) -> ProviderError:
    """Return the error of one of the stable codes above."""
    return ProviderError(
        _WORDS[code],
        code=code,
        setting=KEY_SETTING if code == "tts_auth" else None,
        retryable=code not in _FINAL if retryable is None else retryable,
    )


def closed_error(close_code: int | None) -> ProviderError:
    """Return the error for an unexpected close. A clean one (1000) is a failure too; None: there was no close frame."""
    if close_code in _FINAL_CODES:
        return tts_error("tts_failed", retryable=False)
    return tts_error(_CODES.get(close_code or 0, "tts_failed"))


def connect_error(failed: ConnectFailed) -> ProviderError:
    """Return the error for a failed connection."""
    return tts_error(f"tts_{why_refused(failed)}")
