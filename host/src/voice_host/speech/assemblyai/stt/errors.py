"""`ProviderError`s for AssemblyAI's close codes and error codes."""

from __future__ import annotations

from voice_host.speech.assemblyai.refusals import KEY_SETTING, why_refused
from voice_host.speech.service_socket import ConnectFailed
from voice_host_sdk import ProviderError

# Of the streaming API, version 3. The 4xxx codes are older; the official client still knows them.
_AUTH = {1008, 4001, 4002, 4003}
_CODES = {
    3005: "stt_failed",
    3006: "stt_bad_request",
    3007: "stt_audio",
    3008: "stt_expired",
    3009: "stt_busy",
    4029: "stt_audio",
    4102: "stt_busy",
    1013: "stt_busy",
}
_WORDS = {
    "stt_auth": "Speech recognition refused the credentials or the account.",
    "stt_audio": "Speech recognition refused the audio.",
    "stt_bad_request": "Speech recognition refused the request.",
    "stt_busy": "Speech recognition has no free session.",
    "stt_closed": "Speech recognition ended unexpectedly.",
    "stt_expired": "The speech recognition session expired.",
    "stt_failed": "Speech recognition failed.",
    "stt_timeout": "Speech recognition did not answer in time.",
    "stt_unreachable": "Speech recognition cannot be reached.",
}
_FINAL = {"stt_auth", "stt_bad_request"}


def stt_error(code: str) -> ProviderError:
    """Return the error of one of the stable codes above."""
    return ProviderError(
        _WORDS[code],
        code=code,
        setting=KEY_SETTING if code == "stt_auth" else None,
        retryable=code not in _FINAL,
    )


def closed_error(close_code: int | None) -> ProviderError:
    """Return the error for an unexpected close, or for the code of an `Error` message.

    A clean close (1000) is a failure too. None: the connection broke without a close frame.
    """
    if close_code in _AUTH:
        return stt_error("stt_auth")
    return stt_error(_CODES.get(close_code or 0, "stt_closed"))


def connect_error(failed: ConnectFailed) -> ProviderError:
    """Return the error for a failed connection."""
    return stt_error(f"stt_{why_refused(failed)}")
