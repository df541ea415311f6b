"""Checks the `Origin` of web pages, which browsers send. A client that sends none is not a browser."""

from __future__ import annotations

from collections.abc import Iterable

_DEFAULT_PORTS = {"http": 80, "https": 443}


def origin_allowed(origin: str | None, host: str, allowed: Iterable[str] = ()) -> bool:
    """Whether a page may call.

    Args:
        origin: the `Origin` header; None: the client is not a browser, and is allowed here.
        host: the `Host` header. The host's own pages, whose origin it is, are always allowed.
        allowed: further origins, in lower case: `https://www.example.com`, `https://*.example.com`, or `*`.
    """
    if origin is None:
        return True
    origin = without_default_port(origin.lower())
    scheme, _, site = origin.partition("://")
    if site and scheme in _DEFAULT_PORTS and origin == without_default_port(f"{scheme}://{host.lower()}"):
        return True
    return any(_matches(scheme, site, origin, without_default_port(rule)) for rule in allowed)


def without_default_port(origin: str) -> str:
    """Return an origin as browsers write it: without the default port of its scheme."""
    port = _DEFAULT_PORTS.get(origin.partition("://")[0])
    return origin.removesuffix(f":{port}") if port is not None else origin


def _matches(scheme: str, site: str, origin: str, rule: str) -> bool:
    if rule in ("*", origin):
        return True
    rule_scheme, _, rule_site = rule.partition("://*")
    # Only real subdomains: no port or slash may precede the domain.
    return bool(rule_site) and scheme == rule_scheme and site.endswith(rule_site) and site != rule_site
