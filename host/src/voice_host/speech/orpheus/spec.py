"""The spec of Orpheus: text-to-speech by the model that Baseten serves."""

from __future__ import annotations

from pydantic import Field, SecretStr

from voice_host.settings import Adapter, AgentAddress, ResilienceSettings, ServiceOptions, SpeechService, WebSocketUrl
from voice_host_sdk import TextToSpeech


class Options(ServiceOptions):
    """The key of the deployment, and its address."""

    tts_api_key: SecretStr | None = Field(default=None, alias="ASSEMBLYAI_TTS_API_KEY")
    url: WebSocketUrl | None = Field(default=None, alias="ASSEMBLYAI_TTS_WSS_URL", repr=False)


def _text_to_speech(options: Options, resilience: ResilienceSettings) -> TextToSpeech:
    from voice_host.speech.orpheus.adapter import OrpheusTextToSpeech

    key = options.tts_api_key.get_secret_value() if options.tts_api_key else ""
    return OrpheusTextToSpeech(key, url=options.url, resilience=resilience)


SERVICE = SpeechService(
    name="orpheus",
    options=Options,
    key="tts_api_key",
    text_to_speech=Adapter(
        make=_text_to_speech,
        auto_rank=10,
        agent_address=AgentAddress(
            field="tts_config.wss_url", own_hosts=("model-q844y7pw.api.baseten.co",), overridden_by="url"
        ),
    ),
)
