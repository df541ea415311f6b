"""Which speech services a host uses: chosen by name, built from the settings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from pydantic import SecretStr

from voice_host.settings import Settings, load_settings
from voice_host_sdk import AgentConfig, SpeechToText, TextToSpeech

_Provider = TypeVar("_Provider")


class ProviderConfigError(Exception):
    """A speech service that was asked for cannot be had. The message says what to set or to install."""


@dataclass(frozen=True, slots=True)
class SpeechProviders:
    """The speech services of one agent."""

    stt: SpeechToText
    tts: TextToSpeech

    async def aclose(self) -> None:
        """Give back what the services hold."""
        await self.stt.aclose()
        await self.tts.aclose()


class SpeechServices:
    """All speech services of a process: each is built when an agent first wants it, and shared by all that do.

    A service is chosen by name: what the platform names in `[providers]` counts; where that says `auto`, what the
    agent names; and else the cloud service whose key is set, or `embedded`.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._stt: dict[str, SpeechToText] = {}
        self._tts: dict[str, TextToSpeech] = {}

    def for_agent(self, config: AgentConfig) -> SpeechProviders:
        """Return the services an agent gets.

        Raises:
            ProviderConfigError: unknown name, missing key, or missing extra.
        """
        chosen, auto = self._settings.providers, self._settings
        stt = auto.speech_to_text if chosen.speech_to_text != "auto" else config.speech_to_text or auto.speech_to_text
        tts = auto.text_to_speech if chosen.text_to_speech != "auto" else config.text_to_speech or auto.text_to_speech
        return SpeechProviders(
            _shared(self._stt, _SPEECH_TO_TEXT, stt, "speech-to-text", self._settings),
            _shared(self._tts, _TEXT_TO_SPEECH, tts, "text-to-speech", self._settings),
        )

    async def aclose(self) -> None:
        """Give back what the services hold. Idempotent."""
        while self._stt:
            await self._stt.popitem()[1].aclose()
        while self._tts:
            await self._tts.popitem()[1].aclose()


def speech_services_from_environment(*, tts_api_key: str | None = None) -> SpeechServices:
    """What the configuration file and the variables configure; `tts_api_key` wins over its variable."""
    settings = load_settings()
    if tts_api_key is not None:
        keys = settings.keys.model_copy(update={"assemblyai_tts_api_key": SecretStr(tts_api_key)})
        settings = settings.model_copy(update={"keys": keys})
    return SpeechServices(settings)


def _shared(
    built: dict[str, _Provider],
    known: Mapping[str, Callable[[Settings], _Provider]],
    name: str,
    kind: str,
    settings: Settings,
) -> _Provider:
    if name not in known:
        raise ProviderConfigError(f"there is no {kind} service {name!r}; choose one of {', '.join(known)}")
    if name not in built:
        built[name] = known[name](settings)
    return built[name]


# Each adapter is imported only when it is chosen: most hosts use one of them.


def _assemblyai(settings: Settings) -> SpeechToText:
    from voice_host.providers.assemblyai_stt import AssemblyAISpeechToText

    key = _required(settings.keys.assemblyai_api_key, "assemblyai", "ASSEMBLYAI_API_KEY")
    return AssemblyAISpeechToText(key, url=settings.keys.assemblyai_ws_url)


def _orpheus(settings: Settings) -> TextToSpeech:
    from voice_host.providers.orpheus_tts import OrpheusTextToSpeech

    key = _required(settings.keys.assemblyai_tts_api_key, "orpheus", "ASSEMBLYAI_TTS_API_KEY")
    return OrpheusTextToSpeech(key, url=settings.keys.assemblyai_tts_wss_url)


def _assemblyai_voice(settings: Settings) -> TextToSpeech:
    from voice_host.providers.assemblyai_tts import AssemblyAITextToSpeech

    key = _required(settings.keys.assemblyai_api_key, "assemblyai", "ASSEMBLYAI_API_KEY")
    return AssemblyAITextToSpeech(key, url=settings.keys.assemblyai_tts_ws_url)


def _embedded_stt(settings: Settings) -> SpeechToText:
    from voice_host.providers.embedded import EmbeddedSpeechToText

    _require_extra()
    return EmbeddedSpeechToText(processes=settings.providers.embedded_processes)


def _embedded_tts(_: Settings) -> TextToSpeech:
    from voice_host.providers.embedded import EmbeddedTextToSpeech

    _require_extra()
    return EmbeddedTextToSpeech()


_SPEECH_TO_TEXT = {"assemblyai": _assemblyai, "embedded": _embedded_stt}
_TEXT_TO_SPEECH = {"orpheus": _orpheus, "assemblyai": _assemblyai_voice, "embedded": _embedded_tts}


def _required(key: SecretStr | None, provider: str, variable: str) -> str:
    if key is None:
        raise ProviderConfigError(f"the speech service {provider!r} needs a key: set {variable}")
    return key.get_secret_value()


def _require_extra() -> None:
    from voice_host.providers.embedded import missing_extra

    if (message := missing_extra()) is not None:
        raise ProviderConfigError(message)
