"""`[resilience]`: how long is waited for services, how often they are tried, and what is kept meanwhile."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class ResilienceSettings(BaseModel):
    """Waits, retries and buffers. Times are in seconds (`_s`)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    stt_tell_after_s: float = Field(
        default=5.0, gt=0, description="An outage of speech-to-text that is shorter is not mentioned to the caller."
    )
    stt_retry_max_s: float = Field(
        default=8.0,
        ge=0.1,
        description="The longest wait before speech-to-text is tried again. The first is 0.2 s, then twice the last.",
    )
    stt_replay_s: float = Field(
        default=20.0,
        ge=1,
        le=120,
        description="Audio kept for a recogniser that comes back: of the turn that goes on, and of the outage.",
    )
    stt_silent_after_s: float = Field(
        default=5.0, ge=0.5, description="Speech sent without any word coming back, after which the line is replaced."
    )
    voice_silent_after_s: float = Field(
        default=5.0, gt=0, description="No audio of a clause whose text is complete for so long: the voice has stalled."
    )
    voice_retry_after_s: float = Field(
        default=60.0, ge=0, description="How long the fallback voice speaks before the voice is tried again."
    )
    model_silent_after_s: float = Field(
        default=20.0,
        gt=0,
        description="How long the gateway's model may be silent: before its first word, retries included, and then "
        "between two.",
    )
    model_retries: int = Field(
        default=1,
        ge=0,
        le=5,
        description="How often the gateway is asked again that refused with 408, 409, 429 or 5xx, or was not reached.",
    )
