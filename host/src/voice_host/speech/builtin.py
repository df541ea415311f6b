"""The host's own extension: it offers the built-in speech services, as any extension offers its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from voice_host.settings import Adapter, Settings, SpeechService, built_in_services
from voice_host.settings.services import Direction
from voice_host.speech.errors import ProviderConfigError
from voice_host_sdk import SpeechToText, TextToSpeech, extensionimpl


class BuiltInProviders:
    """The hooks of the host's own extension. An adapter is imported when it is first chosen: most hosts use one.

    Args:
        settings: of the host, with the services' keys, which no table of an extension holds.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    @extensionimpl
    def speech_to_text_providers(self) -> Mapping[str, Callable[[], SpeechToText]]:
        return self._factories("speech_to_text")

    @extensionimpl
    def text_to_speech_providers(self) -> Mapping[str, Callable[[], TextToSpeech]]:
        return self._factories("text_to_speech")

    def _factories(self, direction: Direction) -> dict[str, Callable[[], Any]]:
        offers = {service: getattr(service, direction) for service in built_in_services()}
        return {service.name: partial(self._make, service, adapter) for service, adapter in offers.items() if adapter}

    def _make(self, service: SpeechService, adapter: Adapter[Any]) -> Any:
        options = self._settings.options_of(service)
        if not service.has_key(options):
            raise ProviderConfigError(f"the speech service {service.name!r} needs a key: set {service.key_variable}")
        return adapter.make(options, self._settings.resilience)
