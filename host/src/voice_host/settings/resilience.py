"""`[resilience]`: timeouts, retries and buffers of the services that calls use."""

from __future__ import annotations

from pydantic import BaseModel, Field

from voice_host.settings.field_types import TABLE


class ResilienceSettings(BaseModel):
    """Timeouts, retries and buffers. Times are in seconds (`_s`)."""

    model_config = TABLE

    # --- speech services, in and out ------------------------------------------------------------------------------

    speech_connect_timeout_s: float = Field(
        default=10.0,
        gt=0,
        description="How long a speech service may take to be connected to, and then again to say that it is ready.",
    )

    # --- speech-to-text -------------------------------------------------------------------------------------------

    microphone_buffer_s: float = Field(
        default=10.0,
        ge=1,
        le=120,
        description="Audio kept while the host is slow to pass it on to speech-to-text; then the oldest is dropped.",
    )
    stt_tell_after_s: float = Field(
        default=5.0, gt=0, description="An outage of speech-to-text that is shorter is not mentioned to the caller."
    )
    stt_replay_s: float = Field(
        default=20.0,
        ge=1,
        le=120,
        description="Audio kept for a recogniser that comes back: of the turn that goes on, and of the outage.",
    )
    stt_send_timeout_s: float = Field(
        default=10.0, gt=0, description="A recogniser that takes no audio for so long is lost, and the line replaced."
    )
    stt_silent_after_s: float = Field(
        default=5.0, ge=0.5, description="Speech sent without any word coming back, after which the line is replaced."
    )

    # --- the voice ------------------------------------------------------------------------------------------------

    playout_buffer_s: float = Field(
        default=4.0,
        ge=0.5,
        le=60,
        description="Speech kept ahead of what was sent to the caller; when it is full, the voice waits.",
    )
    voice_silent_after_s: float = Field(
        default=5.0, gt=0, description="No audio of a clause whose text is complete for so long: the voice has stalled."
    )
    voice_retry_after_s: float = Field(
        default=60.0, ge=0, description="How long the fallback voice speaks before the voice is tried again."
    )

    # --- the language model ---------------------------------------------------------------------------------------

    model_connect_timeout_s: float = Field(
        default=5.0, gt=0, description="How long the gateway, or the server in its place, may take to be connected to."
    )
    model_silent_after_s: float = Field(
        default=20.0,
        gt=0,
        description="How long a model may be silent: before its first word, retries included, and then between two.",
    )
    model_retries: int = Field(
        default=1,
        ge=0,
        le=5,
        description="How often a model is asked again that refused with 408, 409, 429 or 5xx, or was not reached.",
    )
    model_retry_after_max_s: float = Field(
        default=5.0, ge=0, description="A gateway that asks for a longer wait (`retry-after`) is not asked again."
    )
