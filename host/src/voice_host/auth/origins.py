"""Which sites' pages may call. A browser says where a page is from; whoever sends no `Origin` is no browser."""

from __future__ import annotations

from collections.abc import Iterable


def origin_allowed(origin: str | None, host: str, allowed: Iterable[str] = ()) -> bool:
    """Tell whether a page may call.

    Args:
        origin: the `Origin` header; None: there is none, and it is for authentication to say no.
        host: the `Host` header. The host's own pages always may: their origin is the host.
        allowed: further origins, in lower case: `https://www.example.com`, `https://*.example.com`, or `*`.
    """
    if origin is None:
        return True
    origin = origin.lower()
    scheme, _, site = origin.partition("://")
    if site and site == host.lower():
        return scheme in ("http", "https")
    return any(_matches(scheme, site, origin, rule) for rule in allowed)


def _matches(scheme: str, site: str, origin: str, rule: str) -> bool:
    if rule in ("*", origin):
        return True
    rule_scheme, _, rule_site = rule.partition("://*")
    # A name within the domain, and nothing that only looks like one: no port or slash may come before its end.
    return bool(rule_site) and scheme == rule_scheme and site.endswith(rule_site) and site != rule_site
