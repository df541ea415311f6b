"""The HTTP proxy for the gateway, from the environment."""

from __future__ import annotations

from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from voice_host.models.errors import ModelConfigError


def proxy_for(url: str) -> str | None:
    """Return the address of the proxy for `url`, or None for a direct connection.

    `HTTPS_PROXY` or `HTTP_PROXY`, after the scheme of `url`, else `ALL_PROXY`; `NO_PROXY` lists the exceptions.

    Raises:
        ModelConfigError: only HTTP proxies are supported.
    """
    parts = urlsplit(url)
    proxies = getproxies()
    if parts.hostname is None or _is_exempt(parts.hostname, parts.port, proxies.get("no", "")):
        return None
    if not (proxy := proxies.get(parts.scheme) or proxies.get("all")):
        return None
    kind, _, address = proxy.rpartition("://")
    if kind.lower() not in ("", "http", "https"):
        own = f"{parts.scheme.upper()}_PROXY"
        named = own if proxies.get(parts.scheme) else "ALL_PROXY"
        raise ModelConfigError(
            f"{named} names a {kind} proxy, and {parts.hostname} is reached through HTTP proxies only: "
            f"set {own} to one, or add {parts.hostname} to NO_PROXY."
        )
    return f"{kind or 'http'}://{address}"


def _is_exempt(host: str, port: int | None, exempt: str) -> bool:
    names = [name.strip() for name in exempt.split(",")]
    if "*" in names:
        return True
    if ":" in host:  # an IPv6 address, whose last part the library would take for a port
        return host in (name.strip("[]") for name in names)
    return bool(proxy_bypass(f"{host}:{port}" if port else host))
