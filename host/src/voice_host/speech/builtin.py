"""The speech services that come with the host. They are offered as those of any extension are."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from pydantic import SecretStr

from voice_host.settings import Settings
from voice_host.speech.errors import ProviderConfigError
from voice_host_sdk import SpeechToText, TextToSpeech, extensionimpl


class BuiltInProviders:
    """The hooks of the host's own extension. Each adapter is imported only when it is chosen: most hosts use one.

    Args:
        settings: of the host: its keys are in none of the tables that extensions get.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    @extensionimpl
    def speech_to_text_providers(self) -> Mapping[str, Callable[[], SpeechToText]]:
        return {"assemblyai": self._assemblyai, "embedded": self._embedded_stt}

    @extensionimpl
    def text_to_speech_providers(self) -> Mapping[str, Callable[[], TextToSpeech]]:
        return {"orpheus": self._orpheus, "assemblyai": self._assemblyai_voice, "embedded": self._embedded_tts}

    def _assemblyai(self) -> SpeechToText:
        from voice_host.speech.assemblyai.stt import AssemblyAISpeechToText

        keys = self._settings.keys
        key = _required(keys.assemblyai_api_key, "assemblyai", "ASSEMBLYAI_API_KEY")
        return AssemblyAISpeechToText(key, url=keys.assemblyai_ws_url, resilience=self._settings.resilience)

    def _orpheus(self) -> TextToSpeech:
        from voice_host.speech.orpheus import OrpheusTextToSpeech

        keys = self._settings.keys
        key = _required(keys.assemblyai_tts_api_key, "orpheus", "ASSEMBLYAI_TTS_API_KEY")
        return OrpheusTextToSpeech(key, url=keys.assemblyai_tts_wss_url, resilience=self._settings.resilience)

    def _assemblyai_voice(self) -> TextToSpeech:
        from voice_host.speech.assemblyai.tts import AssemblyAITextToSpeech

        keys = self._settings.keys
        key = _required(keys.assemblyai_api_key, "assemblyai", "ASSEMBLYAI_API_KEY")
        return AssemblyAITextToSpeech(key, url=keys.assemblyai_tts_ws_url, resilience=self._settings.resilience)

    def _embedded_stt(self) -> SpeechToText:
        from voice_host.speech.embedded import EmbeddedSpeechToText

        return EmbeddedSpeechToText()

    def _embedded_tts(self) -> TextToSpeech:
        from voice_host.speech.embedded import EmbeddedTextToSpeech

        return EmbeddedTextToSpeech()


def _required(key: SecretStr | None, provider: str, variable: str) -> str:
    if key is None:
        raise ProviderConfigError(f"the speech service {provider!r} needs a key: set {variable}")
    return key.get_secret_value()
