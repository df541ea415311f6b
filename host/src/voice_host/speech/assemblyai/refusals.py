"""What AssemblyAI's two services share: the key, and the meaning of a refused connection."""

from __future__ import annotations

from typing import Literal

from voice_host.speech.service_socket import ConnectFailed

KEY_SETTING = "ASSEMBLYAI_API_KEY"


def why_refused(failed: ConnectFailed) -> Literal["auth", "busy", "bad_request", "unreachable"]:
    """Return the end of the error code for a failed connection: `auth` for `stt_auth`."""
    if failed.status in (401, 403):
        return "auth"
    if failed.status == 429:
        return "busy"
    if not failed.retryable or (failed.status is not None and failed.status < 500):
        return "bad_request"
    return "unreachable"
