"""Counting calls: which limit refuses, and that every place is given back once."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voice_host.admission import Admission, Refusal, Ticket
from voice_host.settings import LimitsSettings
from voice_host_sdk import Caller

AGENT = "desk"


def admission(agent_limit: int | None = None, **limits: int) -> Admission:
    return Admission(LimitsSettings.model_validate(limits), lambda _: agent_limit)


def taken(place: Ticket | Refusal) -> Ticket:
    assert isinstance(place, Ticket), place
    return place


def refused(place: Ticket | Refusal) -> str:
    assert isinstance(place, Refusal)
    assert place.reason
    return place.limit


def test_calls_in_all() -> None:
    door = admission(max_calls=2)
    first = taken(door.enter("a"))
    taken(door.enter("b"))
    assert refused(door.enter("c")) == "max_calls"
    first.release()
    taken(door.enter("c"))


def test_calls_of_an_agent_leave_others_alone() -> None:
    door = Admission(LimitsSettings(), {"small": 1}.get)
    taken(door.enter("small"))
    assert refused(door.enter("small")) == "agent.max_calls"
    taken(door.enter("large"))
    taken(door.enter("large"))


def test_calls_of_a_caller_whatever_the_agent_and_the_address() -> None:
    door = admission(max_calls_per_caller=1)
    taken(door.enter("a", Caller("ada"), "192.0.2.1"))
    assert refused(door.enter("b", Caller("ada"), "192.0.2.2")) == "max_calls_per_caller"
    taken(door.enter("a", Caller("bob"), "192.0.2.1"))
    taken(door.enter("a", None, "192.0.2.1"))
    taken(door.enter("a", Caller("ada", issuer="another customer"), "192.0.2.1"))
    assert refused(door.enter("a", Caller("ada", {"plan": "gold"}))) == "max_calls_per_caller", "claims are no identity"


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ("192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("2001:db8::1", "2001:db8::ffff:1", True),
        ("2001:db8:0:1::1", "2001:db8:0:2::1", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("fe80::1%eth0", "fe80::2%eth1", True),
        ("127.0.0.1", "127.0.0.1", False),
        ("::1", "::1", False),
        ("::ffff:127.0.0.1", "::ffff:127.0.0.1", False),
        ("unknown", "unknown", True),
        ("", "", False),
        (None, None, False),
    ],
)
def test_what_counts_as_one_address(first: str | None, second: str | None, same: bool) -> None:
    door = admission(max_calls_per_address=1)
    taken(door.enter(AGENT, None, first))
    place = door.enter(AGENT, None, second)
    assert isinstance(place, Refusal) is same


def test_a_refused_call_takes_no_place_anywhere() -> None:
    door = admission(max_calls_per_caller=1, max_calls=2)
    taken(door.enter("a", Caller("ada")))
    for _ in range(5):
        assert refused(door.enter("a", Caller("ada"))) == "max_calls_per_caller"
    taken(door.enter("a", Caller("bob")))
    assert refused(door.enter("a", Caller("cid"))) == "max_calls"


def test_a_ticket_is_given_back_once() -> None:
    door = admission(max_calls=1)
    with taken(door.enter(AGENT)) as ticket:
        ticket.release()
        taken(door.enter(AGENT))
    assert refused(door.enter(AGENT)) == "max_calls"


def test_a_connection_that_replaces_another_one_is_no_second_call() -> None:
    door = admission(max_calls=1, max_calls_per_address=1)
    before = taken(door.enter(AGENT, Caller("ada"), "192.0.2.1"))
    after = taken(door.enter(AGENT, Caller("ada"), "192.0.2.2", same_call_as=before))  # in another network by now
    assert door.calls == 1
    for place in (before, after):
        assert refused(door.enter(AGENT)) == "max_calls"
        place.release()
    assert not door._calls


def test_a_connection_that_was_to_be_replaced_and_was_not_keeps_its_place() -> None:
    door = admission(max_calls=1)
    before = taken(door.enter(AGENT))
    taken(door.enter(AGENT, same_call_as=before)).release()
    assert refused(door.enter(AGENT)) == "max_calls"


@given(
    st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from(["x", "y", None]), st.sampled_from(["192.0.2.1", None])))
)
def test_when_all_have_gone_nothing_is_remembered(calls: list[tuple[str, str | None, str | None]]) -> None:
    door = admission(agent_limit=3, max_calls=5, max_calls_per_caller=2, max_calls_per_address=2)
    places = [door.enter(agent, Caller(who) if who else None, address) for agent, who, address in calls]
    for place in places:
        if isinstance(place, Ticket):
            place.release()
            place.release()
    assert not door._calls
