"""Counting calls: which limit refuses, and that every lease is given back once."""

from __future__ import annotations

from dataclasses import replace
from itertools import count
from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from voice_host.admission import Admission, Lease, Refusal
from voice_host.settings import LimitsSettings
from voice_host_sdk import Caller

AGENT = "desk"


NEW = (f"session-{number}" for number in count())
"""Ids of sessions that begin."""


def admission(agent_limit: int | None = None, **limits: int) -> Admission:
    return Admission(LimitsSettings.model_validate(limits), lambda _: agent_limit)


def granted(answer: Lease | Refusal) -> Lease:
    assert isinstance(answer, Lease), answer
    return answer


def refused(answer: Lease | Refusal) -> str:
    assert isinstance(answer, Refusal)
    assert answer.reason
    return answer.limit


def test_calls_in_all() -> None:
    calls = admission(max_calls=2)
    first = granted(calls.lease(next(NEW), "a"))
    granted(calls.lease(next(NEW), "b"))
    assert refused(calls.lease(next(NEW), "c")) == "max_calls"
    calls.give_back(first)
    granted(calls.lease(next(NEW), "c"))


def test_calls_of_an_agent_leave_others_alone() -> None:
    calls = Admission(LimitsSettings(), {"small": 1}.get)
    granted(calls.lease(next(NEW), "small"))
    assert refused(calls.lease(next(NEW), "small")) == "agent.max_calls"
    granted(calls.lease(next(NEW), "large"))
    granted(calls.lease(next(NEW), "large"))


def test_calls_of_a_caller_whatever_the_agent_and_the_address() -> None:
    calls = admission(max_calls_per_caller=1)
    granted(calls.lease(next(NEW), "a", Caller("ada"), "192.0.2.1"))
    assert refused(calls.lease(next(NEW), "b", Caller("ada"), "192.0.2.2")) == "max_calls_per_caller"
    granted(calls.lease(next(NEW), "a", Caller("bob"), "192.0.2.1"))
    granted(calls.lease(next(NEW), "a", None, "192.0.2.1"))
    granted(calls.lease(next(NEW), "a", Caller("ada", issuer="another customer"), "192.0.2.1"))
    assert refused(calls.lease(next(NEW), "a", Caller("ada", {"plan": "gold"}))) == "max_calls_per_caller", (
        "claims are no identity"
    )


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
    calls = admission(max_calls_per_address=1)
    granted(calls.lease(next(NEW), AGENT, None, first))
    answer = calls.lease(next(NEW), AGENT, None, second)
    assert isinstance(answer, Refusal) is same


def test_a_refused_call_is_counted_nowhere() -> None:
    calls = admission(max_calls_per_caller=1, max_calls=2)
    granted(calls.lease(next(NEW), "a", Caller("ada")))
    for _ in range(5):
        assert refused(calls.lease(next(NEW), "a", Caller("ada"))) == "max_calls_per_caller"
    granted(calls.lease(next(NEW), "a", Caller("bob")))
    assert refused(calls.lease(next(NEW), "a", Caller("cid"))) == "max_calls"


def test_a_lease_is_given_back_once() -> None:
    calls = admission(max_calls=1)
    lease = granted(calls.lease("first", AGENT))
    calls.give_back(lease)
    granted(calls.lease("second", AGENT))
    calls.give_back(lease)
    assert refused(calls.lease("third", AGENT)) == "max_calls"


def test_a_connection_that_replaces_another_one_is_no_second_call() -> None:
    calls = admission(max_calls=1, max_calls_per_address=1)
    before = granted(calls.lease("one", AGENT, Caller("ada"), "192.0.2.1"))
    after = granted(calls.lease("one", AGENT, Caller("ada"), "192.0.2.2"))  # in another network by now
    assert calls.calls == 1
    for lease in (before, after):
        assert refused(calls.lease("other", AGENT)) == "max_calls"
        calls.give_back(lease)
    assert calls.counts == {}


def test_a_connection_that_was_to_be_replaced_and_was_not_stays_counted() -> None:
    calls = admission(max_calls=1)
    granted(calls.lease("one", AGENT))
    calls.give_back(granted(calls.lease("one", AGENT)))
    assert refused(calls.lease("other", AGENT)) == "max_calls"


def test_a_session_that_has_no_lease_any_more_is_admitted_like_a_new_one() -> None:
    calls = admission(max_calls=1, max_call_starts_per_minute=2)
    calls.give_back(granted(calls.lease("one", AGENT, Caller("ada"))))
    granted(calls.lease("two", AGENT, Caller("bob")))
    assert refused(calls.lease("one", AGENT, Caller("ada"))) == "max_calls"


@given(
    st.lists(
        st.tuples(
            st.sampled_from("ab"),
            st.sampled_from(["x", "y", None]),
            st.sampled_from(["192.0.2.1", None]),
            st.sampled_from([None, "one", "two"]),
        )
    )
)
def test_when_all_have_gone_nothing_is_remembered(
    begun: list[tuple[str, str | None, str | None, str | None]],
) -> None:
    calls = admission(agent_limit=3, max_calls=5, max_calls_per_caller=2, max_calls_per_address=2)
    answers = [
        calls.lease(resumed or next(NEW), agent, Caller(who) if who else None, address)
        for agent, who, address, resumed in begun
    ]
    for answer in answers:
        if isinstance(answer, Lease):
            calls.give_back(answer)
            calls.give_back(answer)
    assert calls.counts == {}


CLAIMS = {"plan": {"name": "gold"}, "days": [1]}


@pytest.mark.parametrize(
    ("caller", "arrives"),
    [
        (None, None),
        (Caller("ada"), Caller("ada", {})),
        (Caller("ada", CLAIMS, "key"), Caller("ada", CLAIMS, "key")),
        (Caller("ada", MappingProxyType(CLAIMS | {"since": object()})), Caller("ada", CLAIMS)),  # as keys and tokens do
    ],
)
def test_a_lease_is_plain_data(caller: Caller | None, arrives: Caller | None) -> None:
    lease = granted(admission().lease("one", AGENT, caller))
    assert lease.caller is caller
    plain = TypeAdapter(Lease)
    assert plain.validate_json(plain.dump_json(lease)) == replace(lease, caller=arrives)


def test_a_lease_of_another_version_is_not_read() -> None:
    plain = TypeAdapter(Lease)
    written = plain.dump_json(granted(admission().lease("one", AGENT)))
    with pytest.raises(ValidationError, match="version"):
        plain.validate_json(written.replace(b'"version":1', b'"version":2'))
