"""The limits of a call: the host's, combined with those of its agent."""

from __future__ import annotations

from voice_host.settings import LimitsSettings, Settings
from voice_host_sdk import SilenceConfig


def call_limits(settings: Settings, agent_id: str) -> LimitsSettings:
    """Return the limits of an agent's calls."""
    limits, own_s = settings.limits, settings.for_agent(agent_id).max_call_s
    if own_s is None or own_s >= limits.max_call_s:
        return limits
    return limits.model_copy(update={"max_call_s": own_s})


def shortened(silence: SilenceConfig, limits: LimitsSettings) -> SilenceConfig:
    """Return an agent's `SilenceConfig`, with the call's length limited by the host's limit, too."""
    longest_s = min(limits.max_call_s, silence.max_call_s or limits.max_call_s)
    if silence.max_call_s == longest_s:
        return silence
    return silence.model_copy(update={"max_call_s": longest_s})
