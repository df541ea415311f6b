"""What Telnyx' protocol makes of frames, one by one: `tests/phone/test_telnyx.py` holds whole calls."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from voice_host.call.events import Heard, ReplyCut, SpeechSent
from voice_host.clients.choice import ProtocolChoice, protocol_of
from voice_host.clients.protocol import (
    Audio,
    AudioFormat,
    ClientEvent,
    Dtmf,
    Frame,
    Goodbye,
    Handshake,
    Malformed,
    Opening,
    Played,
)
from voice_host.clients.telnyx import TelnyxProtocol

CALL = "v3:one"
PACKET = b"\x7f" * 160


def frame(event: str, **fields: Any) -> str:
    return json.dumps({"event": event, "stream_id": "S1", **fields})


def start(encoding: str = "PCMU", *, call_id: str = CALL, rate: int = 8000, **details: Any) -> str:
    media_format = {"encoding": encoding, "sample_rate": rate, "channels": 1}
    return frame("start", start={"call_control_id": call_id, "media_format": media_format, **details})


def media(chunk: int, payload: bytes = PACKET, *, timestamp: int | None = None, track: str = "inbound") -> str:
    at = (chunk - 1) * 20 if timestamp is None else timestamp
    encoded = base64.b64encode(payload).decode()
    return frame("media", media={"track": track, "chunk": str(chunk), "timestamp": str(at), "payload": encoded})


def started(encoding: str = "PCMU", **options: Any) -> TelnyxProtocol:
    protocol = TelnyxProtocol(CALL, **options)
    assert protocol.connected(Handshake()) == ()
    assert protocol.receive('{"event": "connected", "version": "1.0.0"}') == ()
    assert protocol.receive(start(encoding)) == (Opening({}, says_goodbye=True),)
    return protocol


def sent(frames: Any) -> list[dict[str, Any]]:
    return [json.loads(each) for each in frames]


def test_the_front_names_it_with_the_call_and_the_codec() -> None:
    protocol = protocol_of(ProtocolChoice(name="telnyx", options={"call_id": CALL, "codec": "PCMA"}))
    assert protocol.speaker == AudioFormat("alaw", 8000)
    assert protocol.receive(start()) == (Opening({}, says_goodbye=True),)


def test_parameters_of_the_stream_are_metadata() -> None:
    protocol = TelnyxProtocol(CALL)
    assert protocol.receive(start(custom_parameters={"plan": "gold"}, client_state=None)) == (
        Opening({"plan": "gold"}, says_goodbye=True),
    )


@pytest.mark.parametrize(("codec", "encoding"), [("PCMU", "mulaw"), ("PCMA", "alaw")])
def test_the_caller_is_heard_in_the_codec_of_the_call(codec: str, encoding: Any) -> None:
    protocol = started(codec, codec="PCMU")
    assert protocol.microphone == AudioFormat(encoding, 8000)
    assert protocol.speaker == AudioFormat("mulaw", 8000)


@pytest.mark.parametrize(
    ("opening", "message"),
    [
        (start("G722"), "neither PCMU nor PCMA"),
        (start("L16", rate=16000), "neither PCMU nor PCMA"),
        (start("PCMU", rate=16000), "neither PCMU nor PCMA"),
        (start(call_id="v3:two"), "belongs to another call"),
        (media(1), "was not started"),
        (frame("start", start={}), "no valid frame"),
        (start().replace('"S1"', "null"), "no valid frame"),
        (start().replace('"stream_id"', '"streamSid"'), "no valid frame"),
    ],
)
def test_a_stream_that_cannot_be_used_is_refused(opening: str, message: str) -> None:
    [malformed] = TelnyxProtocol(CALL).receive(opening)
    assert isinstance(malformed, Malformed)
    assert message in malformed.message


@pytest.mark.parametrize(
    ("received", "event"),
    [
        (media(1), Audio(PACKET)),
        (media(2), Audio(b"")),  # it waits for the first
        (frame("dtmf", dtmf={"digit": "#"}), Dtmf("#")),
        (frame("stop", stop={}), Goodbye()),
    ],
)
def test_what_the_carrier_sends(received: str, event: ClientEvent) -> None:
    assert started().receive(received) == (event,)


def test_what_the_agent_itself_says_is_not_taken_for_the_caller() -> None:
    assert started().receive(media(1, track="outbound")) == ()


def test_audio_out_of_order_is_put_in_order_and_the_rest_is_heard_at_the_end() -> None:
    protocol = started("PCMA")
    packets = [bytes([number]) * 160 for number in range(6)]
    assert protocol.receive(media(2, packets[2])) == (Audio(b""),)
    assert protocol.receive(media(1, packets[1])) == (Audio(packets[1] + packets[2]),)
    assert protocol.receive(media(4, packets[4])) == (Audio(b""),)
    assert protocol.receive(frame("stop")) == (Audio(b"\xd5" * 160 + packets[4]), Goodbye())


@pytest.mark.parametrize(
    "received",
    [
        b"\0",
        "{",
        "[]",
        frame("sing"),
        frame("media", media={"chunk": "1", "timestamp": "0", "payload": "/38"}),
        frame("media", media={"chunk": "1", "timestamp": "0", "payload": "R%FF"}),
        frame("media", media={"chunk": "-1", "timestamp": "0", "payload": "/38="}),
        frame("media", media={"chunk": "1", "timestamp": "nan", "payload": "/38="}),
        frame("media", stream_id="S2", media={"chunk": "1", "timestamp": "0", "payload": "/38="}),
        frame("dtmf", dtmf={"digit": "12"}),
        frame("mark", mark={"name": "two"}),
        frame("mark", mark={"name": "2:1e99"}),
        frame("mark", mark={"name": "99:123"}),
        start(),
    ],
)
def test_a_carrier_cannot_break_a_call(received: Frame) -> None:
    assert isinstance(started().receive(received)[0], Malformed)


def test_an_error_of_the_carrier_is_reported() -> None:
    error = frame("error", payload={"code": 100003, "title": "malformed\nframe"})
    assert started().receive(error) == (Malformed("Telnyx reports an error: malformedframe (100003)"),)
    assert TelnyxProtocol(CALL).receive(error.replace('"S1"', "null")) == started().receive(error)


def test_an_unknown_event_before_the_stream_starts_does_not_keep_it_from_starting() -> None:
    [unknown] = TelnyxProtocol(CALL).receive('{"event": "tuning"}')
    assert unknown == Malformed("Telnyx sent an unknown event", unknown=True)


def test_speech_is_sent_in_whole_packets_and_the_end_of_a_reply_is_padded() -> None:
    protocol = started(codec="PCMA")
    audio, mark = sent(protocol.speech(1, b"\1" * 500))
    assert audio == {"event": "media", "media": {"payload": base64.b64encode(b"\1" * 480).decode()}}
    assert mark == {"event": "mark", "mark": {"name": "1:480"}}
    assert protocol.speech(1, b"\2" * 100) == ()
    audio, mark = sent(protocol.tell(SpeechSent(1)))
    assert base64.b64decode(audio["media"]["payload"]) == b"\1" * 20 + b"\2" * 100 + b"\xd5" * 40
    assert mark == {"event": "mark", "mark": {"name": "1:600"}}
    assert protocol.tell(SpeechSent(1)) == ()


def test_nothing_of_a_reply_that_was_cut_is_sent_later() -> None:
    protocol = started()
    protocol.speech(1, b"\1" * 170)
    assert sent(protocol.tell(ReplyCut(1, ""))) == [{"event": "clear"}]
    assert protocol.tell(SpeechSent(1)) == ()
    protocol.speech(2, b"\2" * 170)
    audio, _ = sent(protocol.speech(3, b"\3" * 160))
    assert base64.b64decode(audio["media"]["payload"]) == b"\3" * 160


def test_marks_tell_what_was_played_unless_it_was_cleared() -> None:
    protocol = started()
    names = [sent(protocol.speech(1, audio))[1]["mark"]["name"] for audio in (PACKET, PACKET * 20)]
    assert protocol.receive(frame("mark", mark={"name": names[0]})) == (Played(1, 20.0),)
    [malformed] = protocol.receive(frame("mark", mark={"name": "1:99999999"}))
    assert malformed == Malformed("Telnyx returned a mark that it was not sent")
    assert sent(protocol.tell(ReplyCut(1, "One"))) == [{"event": "clear"}]
    assert protocol.receive(frame("mark", mark={"name": names[1]})) == ()
    [_, again] = sent(protocol.speech(2, PACKET))
    assert protocol.receive(frame("mark", mark={"name": again["mark"]["name"]})) == (Played(2, 20.0),)


def test_a_cut_when_everything_was_sent_clears_too() -> None:
    protocol = started()
    protocol.speech(1, PACKET)
    protocol.tell(SpeechSent(1))
    assert sent(protocol.tell(ReplyCut(1, "One"))) == [{"event": "clear"}]


def test_a_telephone_shows_no_text() -> None:
    assert started().tell(Heard("Hello", final=True)) == ()
