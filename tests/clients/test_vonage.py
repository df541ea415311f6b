"""What Vonage's protocol makes of frames, one by one: `tests/phone/test_vonage.py` holds whole calls."""

from __future__ import annotations

import json
from typing import Any

import pytest

from voice_host.call.events import Heard, ReplyCut, SpeechSent
from voice_host.clients.choice import ProtocolChoice, protocol_of
from voice_host.clients.protocol import Audio, ClientEvent, Dtmf, Frame, Handshake, Malformed, Opening, Played
from voice_host.clients.vonage import VonageProtocol

PACKET = b"\x01\x00" * 320


def message(event: str, **fields: Any) -> str:
    return json.dumps({"event": f"websocket:{event}", **fields})


CONNECTED = message("connected", **{"content-type": "audio/l16;rate=16000"})


def connected() -> VonageProtocol:
    protocol = VonageProtocol()
    assert protocol.connected(Handshake()) == ()
    assert protocol.receive(CONNECTED) == (Opening({}),)
    return protocol


def test_the_front_names_it() -> None:
    assert isinstance(protocol_of(ProtocolChoice(name="vonage")), VonageProtocol)


def test_headers_of_the_endpoint_are_metadata() -> None:
    opening = message("connected", **{"content-type": "audio/l16;rate=16000", "plan": "gold"})
    assert VonageProtocol().receive(opening) == (Opening({"plan": "gold"}),)


@pytest.mark.parametrize(
    ("received", "event"),
    [
        (PACKET, Audio(PACKET)),
        (message("dtmf", digit="5", duration=260), Dtmf("5")),
    ],
)
def test_what_the_carrier_sends(received: Frame, event: ClientEvent) -> None:
    assert connected().receive(received) == (event,)


def test_that_audio_was_cleared_is_known_already() -> None:
    assert connected().receive(message("cleared")) == ()


@pytest.mark.parametrize(
    "received",
    [
        "{",
        "[]",
        message("sing"),
        message("dtmf", digit="12"),
        message("notify", payload={"mark": "two"}),
        message("notify", payload={"mark": "2:6400"}),
        message("notify", payload={}),
        CONNECTED,
        PACKET[:-1],
    ],
)
def test_a_carrier_cannot_break_a_call(received: Frame) -> None:
    assert isinstance(connected().receive(received)[0], Malformed)


@pytest.mark.parametrize(
    "first", [PACKET, message("dtmf", digit="5"), message("connected", **{"content-type": "audio/l16;rate=8000"})]
)
def test_a_stream_that_opens_with_anything_else_is_refused(first: Frame) -> None:
    assert isinstance(VonageProtocol().receive(first)[0], Malformed)


def test_an_unknown_event_before_the_connection_does_not_keep_it_from_being_made() -> None:
    protocol = VonageProtocol()
    assert protocol.receive(message("sing")) == (Malformed("Vonage sent an unknown event", unknown=True),)
    assert protocol.receive(CONNECTED) == (Opening({}),)


def test_speech_is_sent_in_packets_of_20_ms_and_the_end_of_a_reply_is_padded() -> None:
    protocol = connected()
    *packets, notify = protocol.speech(1, PACKET * 2 + b"\1\0")
    assert packets == [PACKET, PACKET]
    assert json.loads(notify) == {"action": "notify", "payload": {"mark": "1:1280"}}
    packet, notify = protocol.tell(SpeechSent(1))
    assert packet == b"\1\0" + bytes(638)
    assert json.loads(notify) == {"action": "notify", "payload": {"mark": "1:1282"}}
    assert protocol.tell(SpeechSent(1)) == ()


def test_notifications_tell_what_was_played_unless_it_was_cleared() -> None:
    protocol = connected()
    protocol.speech(1, PACKET)
    protocol.speech(1, PACKET * 20)
    assert protocol.receive(message("notify", payload={"mark": "1:640"})) == (Played(1, 20.0),)
    assert protocol.tell(ReplyCut(1, "One")) == ('{"action":"clear"}',)
    assert protocol.receive(message("notify", payload={"mark": f"1:{21 * 640}"})) == ()
    protocol.speech(2, PACKET)
    assert protocol.receive(message("notify", payload={"mark": "2:640"})) == (Played(2, 20.0),)


def test_a_telephone_shows_no_text() -> None:
    assert connected().tell(Heard("Hello", final=True)) == ()
