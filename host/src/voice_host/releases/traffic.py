"""Calculates how production's calls are split between releases. Pure functions of plain data."""

from __future__ import annotations

from collections.abc import Mapping

Traffic = Mapping[str, int]
"""Percentages of production's calls, by release name."""


def with_share(traffic: Traffic, name: str, percent: int) -> dict[str, int]:
    """Return `traffic` with `percent` for a release; the others share the rest in the proportions that they had.

    Shares are whole percentages. Those whose exact share is rounded down most get what is missing to 100.

    Args:
        traffic: the shares so far, which add up to 100, or nothing.
        name: a release, new or not.
        percent: its share, from 0 to 100; 100 if there is no other release.
    """
    if percent == 100:
        return {name: 100}
    others = {other: share for other, share in traffic.items() if other != name}
    total, rest = sum(others.values()), 100 - percent
    if not total:
        raise ValueError("there is no other release to take the rest of the calls")
    exact = {other: share * rest / total for other, share in others.items()}
    shares = {other: int(share) for other, share in exact.items()}
    for other in sorted(exact, key=lambda other: shares[other] - exact[other])[: rest - sum(shares.values())]:
        shares[other] += 1
    return {**shares, name: percent}


def without_release(traffic: Traffic, name: str) -> dict[str, int]:
    """Return `traffic` without a release, whose share the others take over; empty if none is left with any."""
    others = {other: share for other, share in traffic.items() if other != name}
    if not sum(others.values()):
        return {}
    shares = with_share(traffic, name, 0)
    del shares[name]
    return shares


def in_words(traffic: Traffic) -> str:
    """Return `1.3 90 %, 1.4 10 %`, or `1.4` for one that takes all calls."""
    if list(traffic.values()) == [100]:
        return next(iter(traffic))
    return ", ".join(f"{name} {share} %" for name, share in traffic.items()) or "no release"
