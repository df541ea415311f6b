"""Where the platform's keys may be sent, whatever address an agent names."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import urlsplit

from voice_host.speech.errors import ProviderConfigError

_LOOPBACK = ("localhost", "127.0.0.1", "::1")


def require_allowed(url: str, field: str, variable: str, allowed: Iterable[str]) -> None:
    """Make sure that a key may be sent to an address that an agent names.

    The connection must be encrypted, except on this machine. Only the host of the address is repeated in the
    message: the rest may hold a password.

    Args:
        url: the address.
        field: of the agent's configuration, for the message.
        variable: of the key.
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
        raise ProviderConfigError(f"{field} is no address that {variable} is sent to: write wss://host/path")
    if scheme == "ws" and host not in _LOOPBACK:
        raise ProviderConfigError(f"{field} is not encrypted: {variable} is sent over wss:// alone")
    if not any(_matches(host, pattern.lower()) for pattern in allowed):
        raise ProviderConfigError(
            f"{field} names the host {host!r}, to which the platform does not send its {variable}: "
            "leave the field out, or the platform adds the host to [providers] allowed_hosts"
        )


def _matches(host: str, pattern: str) -> bool:
    return host.endswith(pattern[1:]) and host != pattern[2:] if pattern.startswith("*.") else host == pattern
