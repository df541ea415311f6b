"""The choice of the release that answers a new call."""

from __future__ import annotations

import hashlib

from voice_host.admission import Lease
from voice_host.releases.release import PRODUCTION, Routing

POINTS = 10_000
"""A call's place on the scale of the traffic, in hundredths of a percent."""


def release_for(lease: Lease, routing: Routing, home: tuple[str, str] | None = None) -> tuple[str, str] | None:
    """Return the name of the release and the alias whose settings it has; None: the call's target does not exist.

    Production's calls are split by the traffic, so that all calls of one caller go to the same release, also after a
    small change of the split. Callers who are not authenticated are split by session. A release that is called
    by its name and is not in production has the settings of the alias that names it.

    Args:
        home: where the session of the call was, which must be restored. It stays there if that still takes calls.
    """
    if home is not None and _takes_calls(routing, *home):
        return home
    target = lease.target
    if target is not None and target != PRODUCTION:
        if (name := routing.aliases.get(target)) is not None:
            return name, target
        if target in routing.traffic:
            return target, PRODUCTION
        return next(((name, alias) for alias, name in sorted(routing.aliases.items()) if name == target), None)
    total = sum(routing.traffic.values())
    if not total:
        return None
    point = _point(lease) * total / POINTS
    for name, share in sorted(routing.traffic.items()):
        point -= share
        if point < 0:
            return name, PRODUCTION
    return None


def _takes_calls(routing: Routing, name: str, alias: str) -> bool:
    """Whether a release takes new calls with the settings of an alias."""
    if alias == PRODUCTION:
        return routing.traffic.get(name, 0) > 0 or name in routing.aliases.values()
    return routing.aliases.get(alias) == name


def _point(lease: Lease) -> int:
    """Return a number from 0 to `POINTS - 1`."""
    caller = lease.caller
    who = lease.session_id if caller is None else f"{caller.issuer}\0{caller.identity}"
    digest = hashlib.sha256(f"{lease.agent_id}\0{who}".encode(errors="replace")).digest()
    return int.from_bytes(digest[:8]) % POINTS
