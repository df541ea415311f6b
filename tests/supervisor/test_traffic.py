"""Which release answers a new call."""

from __future__ import annotations

from collections import Counter

import pytest

from voice_host.admission import Lease
from voice_host.releases.release import PRODUCTION, Routing
from voice_host.supervisor.traffic import release_for
from voice_host_sdk import Caller

ROUTING = Routing(traffic={"1.3": 90, "1.4": 10}, aliases={"staging": "1.5"})


def lease(session_id: str = "s", caller: str | None = None, target: str | None = None) -> Lease:
    return Lease(session_id, "night-desk", None if caller is None else Caller(caller), 1, target)


def chosen(routing: Routing, callers: int = 2000) -> Counter[str]:
    found = [release_for(lease(f"s{number}", f"caller-{number}"), routing) for number in range(callers)]
    return Counter(each[0] for each in found if each is not None)


def test_shares_are_kept() -> None:
    counts = chosen(ROUTING)
    assert counts["1.4"] == pytest.approx(200, abs=60)
    assert counts["1.3"] + counts["1.4"] == 2000


def test_a_caller_keeps_to_a_release_and_others_are_split_by_session() -> None:
    assert len({release_for(lease(f"s{number}", "ada"), ROUTING) for number in range(50)}) == 1
    assert len({release_for(lease(f"s{number}"), ROUTING) for number in range(200)}) == 2


def test_a_change_of_the_shares_moves_few_callers() -> None:
    more = Routing(traffic={"1.3": 80, "1.4": 20})
    moved = [
        number
        for number in range(1000)
        if release_for(lease("s", f"caller-{number}"), ROUTING) != release_for(lease("s", f"caller-{number}"), more)
    ]
    assert len(moved) == pytest.approx(100, abs=40)


@pytest.mark.parametrize(
    ("target", "found"),
    [
        ("staging", ("1.5", "staging")),
        ("1.3", ("1.3", PRODUCTION)),
        ("1.5", ("1.5", "staging")),
        ("1.4", None),
        (PRODUCTION, ("1.3", PRODUCTION)),
        ("nightly", None),
    ],
)
def test_a_target(target: str, found: tuple[str, str] | None) -> None:
    assert release_for(lease(target=target), Routing(traffic={"1.3": 100}, aliases={"staging": "1.5"})) == found


def test_nothing_in_production() -> None:
    assert release_for(lease(), Routing(aliases={"staging": "1.5"})) is None
    assert release_for(lease(), Routing(traffic={"1.3": 0, "1.4": 100})) == ("1.4", PRODUCTION)


def test_a_session_is_restored_where_it_was_as_long_as_that_takes_calls() -> None:
    routing = Routing(traffic={"1.4": 100, "1.3": 0}, aliases={"staging": "1.5"})
    assert release_for(lease(), routing, ("1.4", PRODUCTION)) == ("1.4", PRODUCTION)
    assert release_for(lease(), routing, ("1.5", "staging")) == ("1.5", "staging")
    assert release_for(lease(), routing, ("1.3", PRODUCTION)) == ("1.4", PRODUCTION)
    assert release_for(lease(), routing, ("1.4", "staging")) == ("1.4", PRODUCTION)
