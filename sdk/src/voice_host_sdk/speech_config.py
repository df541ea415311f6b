"""Configuration of text-to-speech (`TTSConfig`) and speech-to-text (`STTConfig`)."""

from __future__ import annotations

from pydantic import BaseModel, Field

DEFAULT_TTS_WSS_URL = "wss://model-q844y7pw.api.baseten.co/environments/production/websocket"
DEFAULT_STT_WSS_BASE = "wss://streaming.assemblyai.com/v3/ws"


class TTSConfig(BaseModel, frozen=True, extra="forbid"):
    """The voice of an agent. Immutable; unknown fields are errors.

    `voice`, `max_tokens`, `buffer_size`, `repetition_penalty`, `temperature` and `top_p` are the parameters of the
    Orpheus model. A voice that an engine does not know is mapped to that engine's default.
    """

    voice: str = Field(default="jess", min_length=1)
    max_tokens: int = Field(default=2000, ge=1, description="Maximum of generated audio tokens per utterance.")
    buffer_size: int = Field(
        default=105, ge=1, description="Words that the voice collects at most before it starts speaking."
    )
    repetition_penalty: float = Field(default=1.2, gt=0)
    temperature: float = Field(default=0.6, ge=0)
    top_p: float = Field(default=0.9, gt=0, le=1)
    sample_rate: int = Field(default=24000, ge=8000, le=48000, description="Hz, of the audio sent to the caller.")
    wss_url: str = Field(default=DEFAULT_TTS_WSS_URL, description="The platform's setting takes precedence.")


class STTConfig(BaseModel, frozen=True, extra="forbid"):
    """Recognition of speech and of the ends of turns. Immutable; unknown fields are errors."""

    sample_rate: int = Field(default=16000, ge=8000, le=48000, description="Hz, of the caller's microphone.")
    speech_model: str = Field(default="universal-3-5-pro", min_length=1)
    wss_base: str = Field(default=DEFAULT_STT_WSS_BASE, description="The platform's setting takes precedence.")
    token_expires_in: int = Field(default=480, ge=1, le=600, description="Lifetime of a temporary token in seconds.")
    format_turns: bool = Field(default=True, description="Request punctuation and capitalisation.")
    min_end_of_turn_silence_when_confident: int = Field(
        default=400, ge=0, description="Silence in ms that ends a turn the service is confident about."
    )
    max_turn_silence: int = Field(default=1200, ge=0, description="Silence in ms that ends any turn.")
