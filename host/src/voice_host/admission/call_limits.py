"""What one call may do: the limits of its frames and messages, and of its length."""

from __future__ import annotations

from dataclasses import dataclass

from voice_host.settings import LimitsSettings, Settings
from voice_host_sdk import SilenceConfig


@dataclass(frozen=True, slots=True)
class CallLimits:
    """The limits of a call, as `VoiceSessionHandler` keeps them. What each means stands in `LimitsSettings`."""

    max_frame_bytes: int
    max_json_bytes: int
    messages_per_s: float
    messages_burst_s: float
    audio_burst_s: float
    patience_s: float
    max_typed_chars: int
    max_metadata_bytes: int
    max_call_s: float
    send_timeout_s: float
    max_lag_s: float

    def shortened(self, silence: SilenceConfig) -> SilenceConfig:
        """Return an agent's manners with the shorter of the two limits of a call's length."""
        longest_s = min(self.max_call_s, silence.max_call_s or self.max_call_s)
        if silence.max_call_s == longest_s:
            return silence
        return silence.model_copy(update={"max_call_s": longest_s})


def call_limits(settings: Settings | None = None, agent_id: str | None = None) -> CallLimits:
    """Return the limits of an agent's calls; without settings the defaults, for a handler in a server of one's own."""
    limits = settings.limits if settings else LimitsSettings()
    own_s = settings.for_agent(agent_id).max_call_s if settings and agent_id else None
    return CallLimits(
        max_frame_bytes=limits.max_frame_bytes,
        max_json_bytes=limits.max_json_bytes,
        messages_per_s=limits.messages_per_s,
        messages_burst_s=limits.messages_burst_s,
        audio_burst_s=limits.audio_burst_s,
        patience_s=limits.patience_s,
        max_typed_chars=limits.max_typed_chars,
        max_metadata_bytes=limits.max_metadata_bytes,
        max_call_s=min(limits.max_call_s, own_s or limits.max_call_s),
        send_timeout_s=limits.send_timeout_s,
        max_lag_s=limits.max_lag_s,
    )
