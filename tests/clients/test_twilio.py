"""Each frame of Twilio's Media Streams, good and bad, without an event loop."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from typing import Any

import pytest

from voice_host.call.events import ReplyCut, SpeechSent, TurnTaken
from voice_host.clients.choice import ProtocolChoice, protocol_of
from voice_host.clients.protocol import Audio, ClientEvent, Dtmf, Frame, Goodbye, Handshake, Malformed, Opening, Played
from voice_host.clients.twilio import TwilioProtocol

ACCOUNT, CALL, STREAM = "AC" + "a" * 32, "CA" + "b" * 32, "MZ" + "c" * 32
MULAW = {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1}


def frame(event: str, stream: str = STREAM, **fields: Any) -> str:
    return json.dumps({"event": event, "sequenceNumber": "1", "streamSid": stream, **fields})


def start(**changes: Any) -> str:
    details = {"streamSid": STREAM, "accountSid": ACCOUNT, "callSid": CALL, "tracks": ["inbound"], "mediaFormat": MULAW}
    return frame("start", start={**details, **changes})


def media(audio: bytes, at_ms: int, **changes: str) -> str:
    details = {"track": "inbound", "chunk": "1", "timestamp": str(at_ms)}
    return frame("media", media={**details, "payload": base64.b64encode(audio).decode(), **changes})


@pytest.fixture
def fresh() -> TwilioProtocol:
    choice = ProtocolChoice(name="twilio", options={"account_sid": ACCOUNT, "call_sid": CALL})
    protocol = protocol_of(ProtocolChoice.model_validate_json(choice.model_dump_json()))
    assert isinstance(protocol, TwilioProtocol)
    return protocol


@pytest.fixture
def started(fresh: TwilioProtocol) -> TwilioProtocol:
    assert fresh.receive(start()) == (Opening({}, says_goodbye=True),)
    return fresh


def why(events: Any) -> str:
    [event] = events
    assert isinstance(event, Malformed)
    return event.message


def test_a_stream_is_opened_by_its_start(fresh: TwilioProtocol) -> None:
    assert fresh.connected(Handshake()) == ()
    assert fresh.receive('{"event":"connected","protocol":"Call","version":"1.0.0"}') == ()
    [unknown] = fresh.receive('{"event":"something-new"}')
    assert unknown == Malformed("Twilio sent an unknown event", unknown=True)
    assert fresh.receive(start(customParameters={"name": "value"})) == (Opening({"name": "value"}, says_goodbye=True),)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"callSid": "CA" + "0" * 32}, "another call"),
        ({"accountSid": "AC" + "0" * 32}, "another call"),
        ({"mediaFormat": {**MULAW, "encoding": "audio/x-alaw"}}, "not mu-law"),
        ({"mediaFormat": {**MULAW, "sampleRate": 16000}}, "not mu-law"),
        ({"mediaFormat": {**MULAW, "channels": 2}}, "not mu-law"),
        ({"mediaFormat": None}, "no valid frame"),
    ],
)
def test_a_start_that_is_not_what_was_agreed(fresh: TwilioProtocol, changes: dict[str, Any], reason: str) -> None:
    assert reason in why(fresh.receive(start(**changes)))
    assert "not started" in why(fresh.receive(media(b"\xff" * 160, 5)))


def test_the_id_of_a_stream_cannot_break_the_frames_that_name_it(fresh: TwilioProtocol) -> None:
    assert "no valid frame" in why(fresh.receive(frame("start", 'MZ","x":"', start={})))


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        (start(), "started already"),
        (frame("media", "MZ" + "d" * 32, media={"timestamp": "5", "payload": ""}), "not started"),
        (media(b"\xff", 5, track="outbound"), "not of the caller"),
        (media(b"\xff", 5, payload="***"), "not Base64"),
        (media(b"\xff", 5, timestamp="later"), "no valid frame"),
        (media(b"\xff", 5, timestamp="NaN"), "no valid frame"),
        (frame("dtmf", dtmf={"digit": "12"}), "no valid frame"),
        (frame("mark", mark={"name": "other"}), "was not sent"),
        (frame("mark", mark={"name": "99:123"}), "was not sent"),
        (frame("mark"), "no valid frame"),
        (media(b"\xff", 5).replace("streamSid", "stream_id"), "no valid frame"),
        (frame("cheer"), "unknown event"),
        ("{", "no valid frame"),
        ("[]", "no valid frame"),
        (b"\x00", "text frames only"),
    ],
)
def test_what_is_not_the_protocol(started: TwilioProtocol, sent: str | bytes, reason: str) -> None:
    assert reason in why(started.receive(sent))
    assert started.receive(media(b"\x7f" * 160, 5)) == (Audio(b"\x7f" * 160),)


def test_gaps_are_filled_with_silence(started: TwilioProtocol) -> None:
    word = b"\x01" * 160
    assert started.receive(media(word, 5)) == (Audio(word),)
    assert started.receive(media(word, 25)) == (Audio(word),)
    assert started.receive(media(word, 85)) == (Audio(b"\xff" * 320 + word),)
    assert started.receive(media(word, 90_000)) == (Audio(word),)  # a pause, not a gap


def test_keys_and_the_end(started: TwilioProtocol) -> None:
    assert started.receive(frame("dtmf", dtmf={"track": "inbound_track", "digit": "#"})) == (Dtmf("#"),)
    assert started.receive(frame("stop", stop={"accountSid": ACCOUNT, "callSid": CALL})) == (Goodbye(),)


def sent(frames: Sequence[Frame]) -> tuple[list[bytes], str]:
    """Return the audio of each `media`, and the name of the mark that follows; empty: none does."""
    messages = [json.loads(str(each)) for each in frames]
    assert {each["streamSid"] for each in messages} == {STREAM}
    mark = messages.pop()["mark"]["name"] if messages[-1]["event"] == "mark" else ""
    assert [each["event"] for each in messages] == ["media"] * len(messages)
    return [base64.b64decode(each["media"]["payload"]) for each in messages], mark


def played(protocol: TwilioProtocol, name: str) -> list[ClientEvent]:
    return list(protocol.receive(frame("mark", mark={"name": name})))


def test_speech_is_sent_in_packets_of_20_ms_and_marks_say_what_was_played(started: TwilioProtocol) -> None:
    speech = bytes(range(200)) * 5
    packets, first = sent(started.speech(1, speech[:500]))
    assert packets == [speech[:160], speech[160:320], speech[320:480]]
    assert started.speech(1, speech[500:600]) == ()  # too short: it waits
    assert sent(started.speech(1, speech[600:640])) == ([speech[480:640]], "")  # the last mark is recent
    assert sent(started.speech(1, speech[640:])) == ([speech[640:800], speech[800:960]], "")
    packets, last = sent(started.tell(SpeechSent(1)))
    assert packets == [speech[960:] + b"\xff" * 120]
    assert played(started, first) == [Played(1, 60.0)]
    assert played(started, last) == [Played(1, 125.0)]  # what it is filled up with is no speech
    assert started.tell(SpeechSent(1)) == ()
    assert started.speech(2, b"") == ()


def test_a_mark_of_more_than_was_sent_was_not_played(started: TwilioProtocol) -> None:
    _, first = sent(started.speech(1, b"\x7f" * 480))
    assert "was not sent" in why(played(started, "1:99999999"))
    assert played(started, first) == [Played(1, 60.0)]


def test_marks_that_come_back_because_of_clear_were_not_played(started: TwilioProtocol) -> None:
    _, first = sent(started.speech(1, b"\x7f" * 480))
    _, second = sent(started.speech(1, b"\x7f" * 4000))
    assert played(started, first) == [Played(1, 60.0)]
    assert started.tell(ReplyCut(1, "One")) == (json.dumps({"event": "clear", "streamSid": STREAM}, separators=",:"),)
    assert played(started, second) == []
    assert started.tell(ReplyCut(0, "")) != ()  # without a reply
    assert started.tell(SpeechSent(1)) == ()
    packets, next_reply = sent(started.speech(2, b"\x55" * 160))
    assert packets == [b"\x55" * 160]  # nothing is left of the first
    assert played(started, second) == []
    assert played(started, next_reply) == [Played(2, 20.0)]


def test_a_telephone_shows_no_text(started: TwilioProtocol) -> None:
    assert started.tell(TurnTaken("Hello", typed=False)) == ()
