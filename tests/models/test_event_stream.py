"""Server-sent events, whatever pieces they arrive in."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voice_host.models.event_stream import MAX_EVENT_BYTES, EventStream, EventTooLong

STREAM = (
    b': a comment\n\ndata: {"a": 1}\n\nevent: message\r\nid: 7\r\ndata:{"b": 2}\r\n\r\n'
    b"data: two\ndata: lines\n\n\ndata: [DONE]\n\n"
)
EVENTS = [b'{"a": 1}', b'{"b": 2}', b"two\nlines", b"[DONE]"]


@given(st.lists(st.integers(0, len(STREAM)), max_size=12))
def test_events_are_the_same_however_they_are_cut(cuts: list[int]) -> None:
    edges = [0, *sorted(cuts), len(STREAM)]
    stream = EventStream()
    found = [event for a, b in itertools.pairwise(edges) for event in stream.feed(STREAM[a:b])]
    assert found == EVENTS


def test_an_event_that_is_not_complete_is_none() -> None:
    assert EventStream().feed(b"data: half\n") == []


def test_something_else_than_events_is_given_up() -> None:
    stream = EventStream()
    stream.feed(b"x" * MAX_EVENT_BYTES)
    with pytest.raises(EventTooLong):
        stream.feed(b"x")
