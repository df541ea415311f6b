"""The built-in speech services: offered like those of an extension, and the hosts that their keys may be sent to."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from operator import attrgetter
from typing import Any
from urllib.parse import urlsplit

from voice_host.settings import Adapter, Settings, SpeechService, built_in_services
from voice_host.settings.services import Direction
from voice_host_sdk import AgentConfig, SpeechToText, TextToSpeech, extensionimpl

_LOOPBACK = ("localhost", "127.0.0.1", "::1")


class ProviderConfigError(Exception):
    """A speech service cannot be used. The message says what to set or install."""


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


def require_allowed_addresses(settings: Settings, config: AgentConfig, used: Mapping[Direction, Iterable[str]]) -> None:
    """Check that the keys of built-in services are only sent to hosts that the platform allows.

    If the platform sets an address, the agent's is not used, and not checked.

    Args:
        config: the addresses in it are checked.
        used: names of the services that will use them.

    Raises:
        ProviderConfigError: an address of `config` has another host.
    """
    for service in built_in_services():
        for direction, names in used.items():
            adapter: Adapter[Any] | None = getattr(service, direction)
            address = adapter.agent_address if adapter and service.name in names else None
            if address and getattr(settings.options_of(service), address.overridden_by) is None:
                allowed = (*address.own_hosts, *settings.providers.allowed_hosts)
                require_allowed(attrgetter(address.field)(config), address.field, service.key_variable, allowed)


def require_allowed(url: str, field: str, variable: str, allowed: Iterable[str]) -> None:
    """Check that a key may be sent to an address in an agent's configuration.

    The connection must be encrypted, except on this machine. The error message contains only the host of the address,
    since the rest may contain a password.

    Args:
        url: the address.
        field: the field of the agent's configuration, for the message.
        variable: the variable of the key, for the message.
        allowed: the service's own hosts and those that the platform adds; `*.example.com` is every host below it.

    Raises:
        ProviderConfigError: the key may not be sent there.
    """
    try:
        parts = urlsplit(url)
        host, scheme = parts.hostname, parts.scheme
        port, plain = parts.port, parts.username is None
    except ValueError:
        host, port, scheme, plain = None, 0, "", False
    if host is None or port == 0 or scheme not in ("wss", "ws") or not plain:
        raise ProviderConfigError(
            f"{field} is not an address that {variable} can be sent to: write wss://host/path, without a user name"
        )
    if scheme == "ws" and host not in _LOOPBACK:
        raise ProviderConfigError(f"{field} is not encrypted: {variable} is sent over wss:// only")
    if not any(_matches(host, pattern.lower()) for pattern in allowed):
        raise ProviderConfigError(
            f"{field} names the host {host!r}, to which the platform does not send its {variable}: "
            "remove the field, or have the platform add the host to [providers] allowed_hosts"
        )


def _matches(host: str, pattern: str) -> bool:
    return host.endswith(pattern[1:]) and host != pattern[2:] if pattern.startswith("*.") else host == pattern
