"""The choice of speech services for each agent, by name, among the built-in ones and those of extensions."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

from pydantic import SecretStr

from voice_host.observability.logs import get_logger
from voice_host.plugins import Extensions, Offer, load_built_in, load_extensions
from voice_host.plugins.guard import SignalWatch, describe, place
from voice_host.settings import Settings, did_you_mean, load_settings, redact
from voice_host.settings.services import AUTO, Direction
from voice_host.speech.builtin import BuiltInProviders, require_allowed_addresses
from voice_host.speech.builtin import ProviderConfigError as ProviderConfigError
from voice_host.speech.local_service import LocalService
from voice_host.tenancy import isolated
from voice_host_sdk import AgentConfig, SpeechToText, TextToSpeech, TTSConfig

log = get_logger(__name__)

DEFAULT_MIN_AUDIO_MS = 20
"""Default for recognisers without a preference: the length of most clients' frames."""

MOST_MIN_AUDIO_MS = 500
"""Limit on what a recogniser may ask for, since it delays every turn."""

_Provider = TypeVar("_Provider", SpeechToText, TextToSpeech)


@dataclass(frozen=True, slots=True)
class SpeechProviders:
    """The speech services of one agent. The fallback voice is used while `tts` fails."""

    stt: SpeechToText
    tts: TextToSpeech
    tts_fallback: TextToSpeech | None = None

    @property
    def names(self) -> dict[str, str]:
        """Their names; `none` for one that cannot work on this machine."""
        return {
            "stt": "none" if _problem_of(self.stt) else self.stt.name,
            "tts": "none" if _problem_of(self.tts) else self.tts.name,
        }

    @property
    def min_audio_ms(self) -> int:
        """The shortest audio to send to the recogniser at a time, if it has a preference."""
        wanted = getattr(self.stt, "min_audio_ms", DEFAULT_MIN_AUDIO_MS)
        return wanted if isinstance(wanted, int) and 0 < wanted <= MOST_MIN_AUDIO_MS else DEFAULT_MIN_AUDIO_MS

    @property
    def problem(self) -> str | None:
        """Why one of them cannot work on this machine and what to do about it. Callers can still type."""
        return _problem_of(self.stt) or _problem_of(self.tts)

    async def aclose(self) -> None:
        """Close the services."""
        await self.stt.aclose()
        await self.tts.aclose()
        if self.tts_fallback is not None:
            await self.tts_fallback.aclose()


class SpeechServices:
    """All speech services of a process. Each is created when an agent first uses it, and shared by all agents that do.

    A service is chosen by name: the platform's choice in `[agent.<id>]`, or else in `[providers]`; if both are `auto`,
    the agent's choice; or else the best built-in service whose key is set. If that one cannot run on this machine, the
    agent takes calls without speech; if a service was chosen by name and cannot run, that is an error.

    Args:
        settings: the platform's settings, with its choice of services.
        extensions: offer services; default: only the built-in ones.
        any_address: whether agents may use any address. True for the platform's own agents.

    Attributes:
        settings: see above.
    """

    def __init__(self, settings: Settings, extensions: Extensions | None = None, *, any_address: bool = False) -> None:
        self.settings = settings
        self._any_address = any_address
        self._extensions = extensions or Extensions([load_built_in(BuiltInProviders(settings))])
        self._stt: dict[str, SpeechToText] = {}
        self._tts: dict[str, TextToSpeech] = {}

    def for_agent(self, config: AgentConfig, agent_id: str | None = None) -> SpeechProviders:
        """Return the services of an agent.

        Args:
            config: the agent's configuration, with its choice of services.
            agent_id: whose table in the settings takes precedence; None: it has none.

        Raises:
            ProviderConfigError: unknown name, missing key, a service that cannot run here, or an address the key may
                not be sent to.
        """
        voice = self._chosen("text_to_speech", config.text_to_speech, self._text_to_speech, agent_id)
        fallback = self._fallback_voice(config.text_to_speech_fallback)
        chosen = SpeechProviders(
            self._chosen("speech_to_text", config.speech_to_text, self._speech_to_text, agent_id),
            voice,
            fallback if fallback is not voice else None,
        )
        self.require_allowed_addresses(config, chosen)
        return chosen

    def require_allowed_addresses(self, config: AgentConfig, chosen: SpeechProviders) -> None:
        """Check that keys are only sent to hosts that the platform allows; see `builtin.require_allowed_addresses`.

        Args:
            config: the agent's configuration, or that of one call.
            chosen: the services that will be used, whatever `config` names.

        Raises:
            ProviderConfigError: an address of `config` has a host that is not allowed.
        """
        if self._any_address:
            return
        used: dict[Direction, set[str]] = {
            "speech_to_text": {chosen.stt.name},
            "text_to_speech": {voice.name for voice in (chosen.tts, chosen.tts_fallback) if voice is not None},
        }
        require_allowed_addresses(self.settings, config, used)

    def require_named(self) -> None:
        """Create the services that `[providers]` names, so that errors are reported at start-up.

        Raises:
            ProviderConfigError: one of them cannot be used. The message begins with the place to edit.
        """
        if self.settings.providers.speech_to_text != AUTO:
            self._chosen("speech_to_text", None, self._speech_to_text)
        if self.settings.providers.text_to_speech != AUTO:
            self._chosen("text_to_speech", None, self._text_to_speech)
        self._fallback_voice(None)

    def _fallback_voice(self, wanted: str | None) -> TextToSpeech | None:
        if self.settings.providers.text_to_speech_fallback is not None:
            return self._chosen("text_to_speech_fallback", None, self._text_to_speech)
        return _working(self._text_to_speech(wanted)) if wanted is not None else None

    def _chosen(
        self, field: str, wanted: str | None, build: Callable[[str], _Provider], agent_id: str | None = None
    ) -> _Provider:
        if (named := self.settings.named_service(field, agent_id)) is None:
            return _working(build(wanted)) if wanted else build(getattr(self.settings, field))
        name, path = named
        try:
            return _working(build(name))
        except ProviderConfigError as error:
            raise ProviderConfigError(f"{self.settings.came_from(*path).where(path)}: {error}") from error

    async def prepare(self) -> None:
        """Load the models of the services in use, so that the first call does not have to wait.

        Cancelling this does not stop the loading.
        """
        built: list[SpeechToText | TextToSpeech] = [*self._stt.values(), *self._tts.values()]
        local = [service for service in built if isinstance(service, LocalService)]
        await asyncio.gather(*(asyncio.shield(service.prepare()) for service in local))

    async def aclose(self) -> None:
        """Close all services. Failures are logged. Idempotent."""
        while self._stt:
            await self._close(*self._stt.popitem())
        while self._tts:
            await self._close(*self._tts.popitem())

    async def _close(self, name: str, service: SpeechToText | TextToSpeech) -> None:
        try:
            await isolated(service.aclose, name=f"close-{name}", timeout_s=self.settings.server.stop_timeout_s)
        except Exception as error:
            log.warning("speech_service_not_closed", service=name, exc_info=error)

    def _speech_to_text(self, name: str) -> SpeechToText:
        offers = self._extensions.speech_to_text
        return _shared(self._stt, offers, name, "speech-to-text", SpeechToText)  # type: ignore[type-abstract]

    def _text_to_speech(self, name: str) -> TextToSpeech:
        offers = self._extensions.text_to_speech
        return _shared(self._tts, offers, name, "text-to-speech", TextToSpeech)  # type: ignore[type-abstract]


def installed_extensions(settings: Settings) -> Extensions:
    """Load the built-in services and all extensions that the settings allow.

    Raises:
        ExtensionsBroken: one of them cannot be used.
    """
    return Extensions(load_extensions(settings, BuiltInProviders(settings)))


def speech_services_from_environment(**keys: SecretStr | None) -> SpeechServices:
    """Return the services that the configuration file and the variables configure, for an embedding application.

    Args:
        keys: of services, by option name; they take precedence over variables.

    Raises:
        ExtensionsBroken: an installed extension cannot be used.
        SettingsError: the settings are invalid.
    """
    settings = load_settings().with_keys(**keys)
    return SpeechServices(settings, installed_extensions(settings), any_address=True)


def _problem_of(service: SpeechToText | TextToSpeech) -> str | None:
    """Return why a service cannot work on this machine, and what to do about it; None if it can, as far as known."""
    return service.problem if isinstance(service, LocalService) else None


def _working(service: _Provider) -> _Provider:
    if (problem := _problem_of(service)) is not None:
        raise ProviderConfigError(problem)
    return service


def voice_warnings(config: AgentConfig, speech: SpeechProviders) -> Iterator[str]:
    """Yield a warning for each service that lists its voices, but lacks the agent's.

    The default voice never causes a warning, since it was not chosen.
    """
    voice = config.tts_config.voice
    for service in (speech.tts, speech.tts_fallback):
        known: Collection[str] | None = getattr(service, "voices", None)
        if known and voice not in known and voice != TTSConfig().voice:
            assert service is not None
            yield f"{service.name} has no voice {voice!r} and uses another one; {did_you_mean(voice, known)}"


def _shared(
    built: dict[str, _Provider],
    offers: Mapping[str, Offer[_Provider]],
    name: str,
    kind: str,
    protocol: type[_Provider],
) -> _Provider:
    if name not in built:
        if name not in offers:
            raise ProviderConfigError(f"there is no {kind} service {name!r}; {did_you_mean(name, offers)}")
        built[name] = _made(offers[name], f"the {kind} service {name!r}", protocol)
    return built[name]


def _made(offer: Offer[_Provider], what: str, protocol: type[_Provider]) -> _Provider:
    source = f"of the extension {offer.extension.id!r}"
    try:
        with SignalWatch() as interrupts:
            made = offer.make()
    except ProviderConfigError:
        raise
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt) and interrupts.seen:
            raise
        at = place(error)
        message = f"{what} {source} cannot be created: {describe(error)}" + (f" ({at})" if at else "")
        raise ProviderConfigError(redact(message, offer.extension.secrets)) from error
    if not isinstance(made, protocol):
        missing = [name for name in vars(protocol) if not name.startswith("_") and not hasattr(made, name)]
        lacks = f", which has no {' and no '.join(missing)}" if missing else ""
        raise ProviderConfigError(
            f"{what} {source} is a {type(made).__name__}{lacks}; its function must return a {protocol.__name__}"
        )
    return made
