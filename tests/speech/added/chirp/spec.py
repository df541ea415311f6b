"""The spec of Chirp: both directions, with a key, an address of its own and one that agents may name."""

from __future__ import annotations

from pydantic import Field, SecretStr

from voice_host.settings import Adapter, AgentAddress, ResilienceSettings, ServiceOptions, SpeechService, WebSocketUrl
from voice_host_sdk import SpeechToText, TextToSpeech


class Options(ServiceOptions):
    """Chirp's key and address."""

    chirp_api_key: SecretStr | None = Field(default=None, alias="CHIRP_API_KEY")
    url: WebSocketUrl | None = Field(default=None, alias="VOICE_HOST_CHIRP_URL", repr=False)


def _speech_to_text(options: Options, resilience: ResilienceSettings) -> SpeechToText:
    from voice_host.speech.chirp.adapter import ChirpSpeechToText  # type: ignore[import-not-found]

    return ChirpSpeechToText(options.chirp_api_key)  # type: ignore[no-any-return]


def _text_to_speech(options: Options, resilience: ResilienceSettings) -> TextToSpeech:
    from voice_host.speech.chirp.adapter import ChirpTextToSpeech

    return ChirpTextToSpeech(options.chirp_api_key)  # type: ignore[no-any-return]


SERVICE = SpeechService(
    name="chirp",
    options=Options,
    key="chirp_api_key",
    speech_to_text=Adapter(make=_speech_to_text, auto_rank=5),
    text_to_speech=Adapter(
        make=_text_to_speech,
        auto_rank=5,
        agent_address=AgentAddress(field="tts_config.wss_url", own_hosts=("chirp.example.com",), overridden_by="url"),
    ),
    limitations="Chirps only.",
)
