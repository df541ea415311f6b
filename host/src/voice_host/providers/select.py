"""Which speech services a host uses: chosen by name, built from the settings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from pydantic import SecretStr

from voice_host.settings import Settings, load_settings
from voice_host_sdk import SpeechToText, TextToSpeech

_Provider = TypeVar("_Provider")


class ProviderConfigError(Exception):
    """A speech service that was asked for cannot be had. The message says what to set or to install."""


@dataclass(frozen=True, slots=True)
class SpeechProviders:
    """The speech services of a host, shared by all its calls."""

    stt: SpeechToText
    tts: TextToSpeech

    async def aclose(self) -> None:
        """Give back what the services hold."""
        await self.stt.aclose()
        await self.tts.aclose()


def speech_providers(settings: Settings) -> SpeechProviders:
    """Build the services the settings name.

    Raises:
        ProviderConfigError: unknown name, missing key, or missing extra.
    """
    return SpeechProviders(
        stt=_build(_SPEECH_TO_TEXT, settings.speech_to_text, "speech_to_text", settings),
        tts=_build(_TEXT_TO_SPEECH, settings.text_to_speech, "text_to_speech", settings),
    )


def speech_providers_from_environment(*, tts_api_key: str | None = None) -> SpeechProviders:
    """Build what the configuration file and the variables name; `tts_api_key` wins over its variable."""
    settings = load_settings()
    if tts_api_key is not None:
        keys = settings.keys.model_copy(update={"assemblyai_tts_api_key": SecretStr(tts_api_key)})
        settings = settings.model_copy(update={"keys": keys})
    return speech_providers(settings)


def _build(
    known: Mapping[str, Callable[[Settings], _Provider]], name: str, setting: str, settings: Settings
) -> _Provider:
    if name not in known:
        raise ProviderConfigError(f"providers.{setting} = {name!r} is not known; choose one of {', '.join(known)}")
    return known[name](settings)


# Each adapter is imported only when it is chosen: most hosts use one of them.


def _assemblyai(settings: Settings) -> SpeechToText:
    from voice_host.providers.assemblyai_stt import AssemblyAISpeechToText

    key = _required(settings.keys.assemblyai_api_key, "assemblyai", "ASSEMBLYAI_API_KEY")
    return AssemblyAISpeechToText(key, url=settings.keys.assemblyai_ws_url)


def _orpheus(settings: Settings) -> TextToSpeech:
    from voice_host.providers.orpheus_tts import OrpheusTextToSpeech

    key = _required(settings.keys.assemblyai_tts_api_key, "orpheus", "ASSEMBLYAI_TTS_API_KEY")
    return OrpheusTextToSpeech(key, url=settings.keys.assemblyai_tts_wss_url)


def _embedded_stt(settings: Settings) -> SpeechToText:
    from voice_host.providers.embedded import EmbeddedSpeechToText

    _require_extra()
    return EmbeddedSpeechToText(processes=settings.providers.embedded_processes)


def _embedded_tts(_: Settings) -> TextToSpeech:
    from voice_host.providers.embedded import EmbeddedTextToSpeech

    _require_extra()
    return EmbeddedTextToSpeech()


_SPEECH_TO_TEXT = {"assemblyai": _assemblyai, "embedded": _embedded_stt}
_TEXT_TO_SPEECH = {"orpheus": _orpheus, "embedded": _embedded_tts}


def _required(key: SecretStr | None, provider: str, variable: str) -> str:
    if key is None:
        raise ProviderConfigError(f"the speech service {provider!r} needs a key: set {variable}")
    return key.get_secret_value()


def _require_extra() -> None:
    from voice_host.providers.embedded import missing_extra

    if (message := missing_extra()) is not None:
        raise ProviderConfigError(message)
