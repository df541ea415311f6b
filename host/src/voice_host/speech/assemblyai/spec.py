"""The spec of AssemblyAI: its speech-to-text and its text-to-speech share one key."""

from __future__ import annotations

from pydantic import Field, SecretStr

from voice_host.settings import Adapter, AgentAddress, ResilienceSettings, ServiceOptions, SpeechService, WebSocketUrl
from voice_host_sdk import SpeechToText, TextToSpeech


class Options(ServiceOptions):
    """AssemblyAI's key, and other addresses for its two services."""

    assemblyai_api_key: SecretStr | None = Field(default=None, alias="ASSEMBLYAI_API_KEY")
    stt_url: WebSocketUrl | None = Field(default=None, alias="VOICE_HOST_ASSEMBLYAI_WS_URL", repr=False)
    tts_url: WebSocketUrl | None = Field(default=None, alias="VOICE_HOST_ASSEMBLYAI_TTS_WS_URL", repr=False)

    @property
    def key(self) -> str:
        """The key in plain text; empty when it is not set."""
        return self.assemblyai_api_key.get_secret_value() if self.assemblyai_api_key else ""


def _speech_to_text(options: Options, resilience: ResilienceSettings) -> SpeechToText:
    from voice_host.speech.assemblyai.stt import AssemblyAISpeechToText

    return AssemblyAISpeechToText(options.key, url=options.stt_url, resilience=resilience)


def _text_to_speech(options: Options, resilience: ResilienceSettings) -> TextToSpeech:
    from voice_host.speech.assemblyai.tts import AssemblyAITextToSpeech

    return AssemblyAITextToSpeech(options.key, url=options.tts_url, resilience=resilience)


SERVICE = SpeechService(
    name="assemblyai",
    options=Options,
    key="assemblyai_api_key",
    speech_to_text=Adapter(
        make=_speech_to_text,
        auto_rank=10,
        agent_address=AgentAddress(
            field="stt_config.wss_base", own_hosts=("streaming.assemblyai.com",), overridden_by="stt_url"
        ),
    ),
    text_to_speech=Adapter(make=_text_to_speech),
)
