"""`[resilience]`: timeouts, retries and buffers for the services that calls use."""

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
        description="Time limit for connecting to a speech service, and the same again until it is ready.",
    )

    # --- speech-to-text -------------------------------------------------------------------------------------------

    microphone_buffer_s: float = Field(
        default=10.0,
        ge=1,
        le=120,
        description="Microphone audio that is buffered for speech-to-text; beyond that, the oldest is dropped.",
    )
    stt_tell_after_s: float = Field(
        default=5.0, gt=0, description="The caller is told of an outage of speech-to-text after this time."
    )
    stt_replay_s: float = Field(
        default=20.0,
        ge=1,
        le=120,
        description="Audio kept to be replayed after reconnecting to speech-to-text: of the open turn and the outage.",
    )
    stt_send_timeout_s: float = Field(
        default=10.0, gt=0, description="Speech-to-text that accepts no audio for this long is reconnected."
    )
    stt_silent_after_s: float = Field(
        default=5.0, ge=0.5, description="Speech sent without any result after which speech-to-text is reconnected."
    )

    # --- text-to-speech -------------------------------------------------------------------------------------------

    playout_buffer_s: float = Field(
        default=4.0,
        ge=0.5,
        le=60,
        description="Speech that is buffered before it is sent to the caller. If the buffer is full, the voice waits.",
    )
    voice_silent_after_s: float = Field(
        default=5.0,
        gt=0,
        description="Time without audio, once the text of a clause is complete, after which the voice has stalled.",
    )
    voice_retry_after_s: float = Field(
        default=60.0, ge=0, description="How long the fallback voice is used before the voice is tried again."
    )

    # --- the language model ---------------------------------------------------------------------------------------

    model_connect_timeout_s: float = Field(
        default=5.0, gt=0, description="Time limit for connecting to the gateway, or to the server in its place."
    )
    model_silent_after_s: float = Field(
        default=20.0,
        gt=0,
        description="Time limit for the first word of a model, retries included, and then for each next one.",
    )
    model_retries: int = Field(
        default=1,
        ge=0,
        le=5,
        description="Retries of a model request that failed with 408, 409, 429 or 5xx, or could not be sent.",
    )
    model_retry_after_max_s: float = Field(
        default=5.0,
        ge=0,
        description="If the gateway asks for a longer wait (`retry-after`), the request is not retried.",
    )
