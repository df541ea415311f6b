"""Whose session is given up when too many wait."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

import pytest

from voice_host.admission.networks import site_of
from voice_host.sessions.parking import session_to_drop
from voice_host.sessions.session import ManagedSession
from voice_host_sdk import Caller


def waiting(*owners: str) -> list[ManagedSession]:
    """Sessions that wait since 0, 1, 2, ... s, each of an `issuer/identity@address` of which parts may be missing."""
    parked = []
    for parked_at, owner in enumerate(owners):
        who, _, address = owner.partition("@")
        issuer, _, identity = who.partition("/")
        caller = Caller(identity, issuer=issuer) if who else None
        one = SimpleNamespace(
            live=SimpleNamespace(caller=caller), origin=site_of(address or None), parked_at=float(parked_at)
        )
        parked.append(cast(ManagedSession, one))
    return parked


@pytest.mark.parametrize(
    ("owners", "given_up"),
    [
        (["", "", ""], 0),
        (["@192.0.2.1", "@192.0.2.2", "@192.0.2.2"], 1),
        (["@127.0.0.1", "@127.0.0.1", "@192.0.2.2"], 0),  # a proxy, or one machine: its callers are not one
        (["@192.0.2.1", "@2001:db8::1", "@2001:db8:0:7::1"], 1),
        (["key/ada@192.0.2.1", "key/eve@192.0.2.2", "key/eve@192.0.2.3"], 1),
        (["key/ada@192.0.2.9", "key/eve@192.0.2.9", "key/eve@192.0.2.9"], 1),  # behind one proxy
        (["one/ada@192.0.2.1", "two/ada@192.0.2.2", "two/bob@192.0.2.3", "two/bob@192.0.2.3"], 2),
        (["key/ada@192.0.2.1", "key/visitor-1@192.0.2.2", "key/visitor-2@192.0.2.2"], 1),
    ],
)
def test_of_whoever_has_most_the_oldest_is_given_up(owners: list[str], given_up: int) -> None:
    parked = waiting(*owners)
    assert parked.index(session_to_drop(parked)) == given_up
