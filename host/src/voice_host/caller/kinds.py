"""As what `voice-host call` calls. Imported by every command, so it loads nothing."""

from __future__ import annotations

from enum import StrEnum


class As(StrEnum):
    """As what to call: the client protocols that a caller can speak."""

    VOICE_HOST = "voice-host"
    TWILIO = "twilio"
    TELNYX = "telnyx"
    REALTIME = "realtime"

    @property
    def is_telephone(self) -> bool:
        """Whether the caller is on the telephone, and can neither read nor type."""
        return self in (As.TWILIO, As.TELNYX)
