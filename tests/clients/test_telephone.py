"""What the telephone's protocol makes of frames, one by one: `tests/calls/test_telephone.py` holds whole calls."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.clients.telephone import TelephoneProtocol
from voice_host.call.events import Heard, ReplyCut
from voice_host.clients.protocol import Audio, ClientEvent, Dtmf, Goodbye, Handshake, Malformed, Opening, Played
from voice_host_sdk import Channel


def frame(event: str, stream: str = "S1", **fields: Any) -> str:
    return json.dumps({"event": event, "stream": stream, **fields})


def started() -> TelephoneProtocol:
    protocol = TelephoneProtocol()
    assert protocol.connected(Handshake()) == ()
    opening = Opening({"from": "+15550100"}, channel=Channel("carrier", "phone", from_number="+15550100"))
    assert protocol.receive(frame("start", parameters={"from": "+15550100"})) == (opening,)
    return protocol


@pytest.mark.parametrize(
    ("received", "event"),
    [
        (frame("media", payload="/38="), Audio(b"\xff\x7f")),
        (frame("dtmf", digit="#"), Dtmf("#")),
        (frame("mark", name="2:12000"), Played(2, 1500.0)),
        (frame("stop"), Goodbye()),
    ],
)
def test_what_the_carrier_sends(received: str, event: ClientEvent) -> None:
    assert started().receive(received) == (event,)


@pytest.mark.parametrize(
    "received",
    [
        b"\0",
        "{",
        "[]",
        frame("sing"),
        frame("media", payload="/38"),
        frame("media", stream="S2", payload="/38="),
        frame("dtmf", digit="12"),
        frame("mark", name="two"),
        frame("mark", name="2:1e99"),
        frame("start"),
    ],
)
def test_a_carrier_cannot_break_a_call(received: str | bytes) -> None:
    assert isinstance(started().receive(received)[0], Malformed)


def test_marks_tell_what_was_played_unless_it_was_cleared() -> None:
    protocol = started()
    names = [json.loads(protocol.speech(1, bytes(160))[1])["name"] for _ in range(2)]
    assert protocol.receive(frame("mark", name=names[0])) == (Played(1, 20.0),)
    assert [json.loads(sent)["event"] for sent in protocol.tell(ReplyCut(1, "One"))] == ["clear"]
    assert protocol.receive(frame("mark", name=names[1])) == ()
    again = json.loads(protocol.speech(2, bytes(80))[1])["name"]
    assert protocol.receive(frame("mark", name=again)) == (Played(2, 10.0),)


def test_a_telephone_shows_no_text() -> None:
    assert started().tell(Heard("Hello", final=True)) == ()
