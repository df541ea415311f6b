"""Frames of the OpenAI Realtime protocol, good and bad, without an event loop."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from tests.clients.realtime_reader import DOCUMENTED, Reader
from voice_host.call import events as call
from voice_host.clients.close_codes import CloseCode
from voice_host.clients.openai_realtime import OpenAIRealtime
from voice_host.clients.openai_realtime.client_events import CLIENT_EVENTS
from voice_host.clients.openai_realtime.protocol import MAX_PENDING
from voice_host.clients.openai_realtime.server_events import SERVER_EVENTS
from voice_host.clients.protocol import (
    Answer,
    Audio,
    AudioFormat,
    Commit,
    Configured,
    Discard,
    Handshake,
    Malformed,
    Opening,
    Played,
    Respond,
    SpeechWanted,
    Stop,
    TurnMode,
    Typed,
)
from voice_host_sdk import Channel

READY = call.Ready("s1", "desk", 16000, 24000)
SILENCE = base64.b64encode(bytes(4800)).decode()  # 0.1 s
TEXT = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hello"}]}


class Session:
    """A session without a connection; what the client is told is read strictly."""

    def __init__(self) -> None:
        self.protocol = OpenAIRealtime({"model": "desk", "expires_at": 1800000000})
        self.reader = Reader()
        self.tell(READY)
        self.send("session.update", session={"type": "realtime"})

    def send(self, kind: str, **fields: Any) -> list[Any]:
        """Send an event, and return what the host makes of it, but for what it answers."""
        return self.raw(json.dumps({"type": kind, **fields}))

    def raw(self, frame: str | bytes) -> list[Any]:
        received = list(self.protocol.receive(frame))
        for event in received:
            if isinstance(event, Answer | Malformed):
                self._read(event.frames if isinstance(event, Answer) else event.answer)
        return [event for event in received if not isinstance(event, Answer)]

    def tell(self, *events: call.CallEvent) -> None:
        for event in events:
            self._read(self.protocol.tell(event))

    def speak(self, reply: int, ms: float) -> None:
        self._read(self.protocol.speech(reply, bytes(int(ms * 48))))

    def _read(self, frames: Any) -> None:
        for frame in frames:
            self.reader.take(json.loads(frame))

    @property
    def last(self) -> dict[str, Any]:
        return self.reader.events[-1]


def over(reply: int, how: str = "completed", heard: str = "") -> call.ReplyOver:
    return call.ReplyOver(reply, "spoken", how, "Hello there.", heard, how != "completed", {}, 7, 3)


def test_the_opening_says_what_the_call_has_to_wait_for() -> None:
    handshake = Handshake({"model": "desk", "token": "secret", "customer": "17"})
    [opening] = OpenAIRealtime({"model": "desk"}).connected(handshake)
    assert opening == Opening({"customer": "17"}, channel=Channel("realtime"), reports_after_cut=True, configures=True)
    protocol = OpenAIRealtime({"model": "desk"})
    assert protocol.subprotocol(["realtime", "openai-insecure-api-key.vh_1"]) == "realtime"
    assert protocol.subprotocol(["openai-insecure-api-key.vh_1"]) is None


def test_every_event_is_one_that_is_documented() -> None:
    assert set(DOCUMENTED) > SERVER_EVENTS


BAD: list[tuple[str | bytes, str, str | None]] = [
    (b"\0\0", "invalid_frame", None),
    ("{", "invalid_json", None),
    ("[" * 100_000, "invalid_json", None),
    ("[]", "invalid_json", None),
    ('["\\ud800"]', "invalid_json", None),
    ("{}", "missing_required_parameter", "type"),
    ('{"type": 5}', "missing_required_parameter", "type"),
    ('{"type": "session.close"}', "unknown_event_type", "type"),
    ('{"type": "session.update"}', "missing_required_parameter", "session"),
    ('{"type": "session.update", "session": []}', "invalid_value", "session"),
    ('{"type": "session.update", "session": {"type": "transcription"}}', "invalid_value", "session.type"),
    ('{"type": "session.update", "session": {"audio": 1}}', "invalid_value", "session.audio"),
    (
        '{"type": "session.update", "session": {"audio": {"input": {"format": {"type": "audio/opus"}}}}}',
        "invalid_value",
        "session.audio.input.format",
    ),
    (
        '{"type": "session.update", "session": {"audio": {"output": {"format": {"type": "audio/pcm", "rate": 8000}}}}}',
        "invalid_value",
        "session.audio.output.format.rate",
    ),
    (
        '{"type": "session.update", "session": {"audio": {"input": {"turn_detection": "none"}}}}',
        "invalid_value",
        "session.audio.input.turn_detection",
    ),
    (
        '{"type": "session.update", "session": {"output_modalities": ["video"]}}',
        "invalid_value",
        "session.output_modalities",
    ),
    ('{"type": "session.update", "session": {"tools": [{"type": "function"}]}}', "invalid_value", "session.tools"),
    ('{"type": "input_audio_buffer.append"}', "missing_required_parameter", "audio"),
    ('{"type": "input_audio_buffer.append", "audio": "not base64!"}', "invalid_value", "audio"),
    ('{"type": "input_audio_buffer.append", "audio": 7}', "invalid_value", "audio"),
    ('{"type": "input_audio_buffer.append", "audio": "!!!!"}', "invalid_value", "audio"),
    ('{"type": "input_audio_buffer.append", "audio": "__-_"}', "invalid_value", "audio"),
    ('{"type": "input_audio_buffer.append", "audio": "AAA"}', "invalid_value", "audio"),
    ('{"type": "input_audio_buffer.append", "audio": "\u00c4\u00c4\u00c4\u00c4"}', "invalid_value", "audio"),
    ('{"type": "conversation.item.create", "item": {}}', "missing_required_parameter", "item.type"),
    (
        '{"type": "conversation.item.create", "item": {"type": "message", "role": "system", "content": []}}',
        "unsupported_item",
        "item",
    ),
    (
        '{"type": "conversation.item.create", "item": {"type": "function_call_output"}}',
        "unsupported_item",
        "item",
    ),
    (
        '{"type": "conversation.item.create", "item": {"type": "message", "role": "user", "content": '
        '[{"type": "input_image"}]}}',
        "unsupported_item",
        "item",
    ),
    (
        '{"type": "conversation.item.create", "item": {"type": "message", "role": "user", "content": []}}',
        "missing_required_parameter",
        "item.content",
    ),
    (
        json.dumps({"type": "conversation.item.create", "previous_item_id": "root", "item": TEXT}),
        "unsupported_insertion",
        "previous_item_id",
    ),
    ('{"type": "conversation.item.retrieve", "item_id": "item_1"}', "item_retrieve_invalid_item_id", "item_id"),
    (
        '{"type": "conversation.item.truncate", "item_id": "item_1", "audio_end_ms": 5}',
        "item_truncate_invalid_item_id",
        "item_id",
    ),
    (
        '{"type": "conversation.item.truncate", "item_id": "item_1", "audio_end_ms": -5}',
        "invalid_value",
        "audio_end_ms",
    ),
    ('{"type": "conversation.item.delete", "item_id": "item_1"}', "unsupported_event", "type"),
    ('{"type": "output_audio_buffer.clear"}', "unsupported_event", "type"),
    (
        '{"type": "response.create", "response": {"instructions": "Be rude."}}',
        "unsupported_response_override",
        "response.instructions",
    ),
    ('{"type": "response.create", "response": {"metadata": 3}}', "invalid_value", "response.metadata"),
    ('{"type": "response.create", "response": {"metadata": {"a": NaN}}}', "invalid_value", "response.metadata"),
]


@pytest.mark.parametrize(
    ("frame", "code", "param"), BAD, ids=[f"{code}-{param}-{i}" for i, (_, code, param) in enumerate(BAD)]
)
def test_what_is_wrong_is_answered_and_counted(frame: str | bytes, code: str, param: str | None) -> None:
    session = Session()
    marked = (
        frame[:-1] + ', "event_id": "mine"}'
        if isinstance(frame, str) and frame.endswith("}") and len(frame) > 2
        else frame
    )
    [wrong] = session.raw(marked)
    assert isinstance(wrong, Malformed)  # which is counted and logged
    error = session.last["error"]
    assert (error["type"], error["code"], error["param"]) == ("invalid_request_error", code, param)
    assert error["event_id"] == ("mine" if marked != frame else None)
    assert error["message"] == wrong.message


def test_an_item_after_an_earlier_one_comes_last_and_is_told_so() -> None:
    session = Session()
    for _ in range(2):
        session.send("conversation.item.create", item=TEXT)
    first, second = (event["item"]["id"] for event in session.reader.of("conversation.item.added"))
    session.send("conversation.item.create", item={**TEXT, "id": "mine"}, previous_item_id=first)
    third = session.reader.of("conversation.item.added")[-1]
    assert (third["item"]["id"], third["previous_item_id"]) == ("mine", second)


@pytest.mark.parametrize(
    ("kind", "fields", "code"),
    [
        ("response.cancel", {}, "response_cancel_not_active"),
        ("input_audio_buffer.commit", {}, "input_audio_buffer_commit_empty"),
        ("response.create", {}, "nothing_to_answer"),
    ],
)
def test_what_only_comes_at_the_wrong_time_is_no_fault(kind: str, fields: Any, code: str) -> None:
    session = Session()
    assert session.send(kind, event_id="mine", **fields) == []
    assert (session.last["error"]["code"], session.last["error"]["event_id"]) == (code, "mine")


def test_the_agents_own_settings_stay_and_differences_are_no_error() -> None:
    session = Session()
    asked = {
        "type": "realtime",
        "model": "gpt-realtime",
        "instructions": "You are a pirate.",
        "tools": [],
        "tool_choice": "required",
        "tracing": "auto",
        "prompt": {"id": "p"},
        "output_modalities": ["audio"],
        "audio": {
            "input": {"format": {"type": "audio/pcm", "rate": 24000}, "turn_detection": {"type": "server_vad"}},
            "output": {"voice": "ash", "speed": 1.5},
        },
    }
    assert session.send("session.update", session=asked) == []
    effective = session.last["session"]
    assert session.last["type"] == "session.updated"
    assert (effective["model"], effective["instructions"], effective["tools"]) == ("desk", "", [])
    assert (effective["audio"]["output"]["voice"], effective["audio"]["output"]["speed"]) == ("desk", 1.0)
    assert effective["audio"]["input"]["turn_detection"] == {
        "type": "semantic_vad",
        "eagerness": "auto",
        "create_response": True,
        "interrupt_response": True,
    }
    assert effective["expires_at"] == 1800000000


def test_tools_of_a_client_are_refused_and_the_rest_is_taken_over() -> None:
    session = Session()
    asked = {"tools": [{"type": "function", "name": "f"}], "output_modalities": ["text"]}
    speech, wrong = session.send("session.update", session=asked, event_id="mine")
    assert speech == SpeechWanted(False)
    assert isinstance(wrong, Malformed)
    updated, error = session.reader.events[-2:]
    assert updated["session"]["tools"] == []
    assert (error["error"]["param"], error["error"]["event_id"]) == ("session.tools", "mine")


def test_the_first_event_says_that_the_agent_may_speak() -> None:
    protocol = OpenAIRealtime({"model": "desk"})
    frame = json.dumps({"type": "input_audio_buffer.append", "audio": SILENCE})
    assert protocol.receive(frame) == [Audio(bytes(4800)), Configured()]
    assert protocol.receive(frame) == [Audio(bytes(4800))]


def test_formats_follow_the_session() -> None:
    session = Session()
    assert session.protocol.microphone == AudioFormat("pcm16", 24000)
    session.send("session.update", session={"audio": {"input": {"format": {"type": "audio/pcma"}}}})
    assert session.protocol.microphone == AudioFormat("alaw", 8000)
    assert session.protocol.speaker == AudioFormat("pcm16", 24000)


def test_turns_that_the_client_ends() -> None:
    session = Session()
    manual = {"audio": {"input": {"turn_detection": None}}}
    assert session.send("session.update", session=manual) == [TurnMode(True)]
    assert session.send("session.update", session=manual) == []
    session.send("input_audio_buffer.append", audio=SILENCE)
    assert session.send("input_audio_buffer.clear") == [Discard()]
    assert session.send("input_audio_buffer.commit") == []
    assert session.last["error"]["code"] == "input_audio_buffer_commit_empty"
    session.send("input_audio_buffer.append", audio=SILENCE)
    assert session.send("input_audio_buffer.commit") == [Commit()]
    assert session.last["type"] == "conversation.item.done"
    assert session.send("response.create") == [Respond("")]
    session.tell(call.TurnCommitted("Hello"), call.TurnTaken("Hello", typed=False), call.ReplyBegun(1))
    assert len(session.reader.of("input_audio_buffer.committed")) == 1


def test_a_commit_where_the_host_decides_only_ends_the_audio() -> None:
    session = Session()
    session.send("input_audio_buffer.append", audio=SILENCE)
    assert session.send("input_audio_buffer.commit") == [Commit()]
    assert session.last["type"] == "session.updated"
    session.tell(call.TurnTaken("Hello", typed=False))
    assert len(session.reader.of("input_audio_buffer.committed")) == 1


def test_typed_items_wait_for_an_answer() -> None:
    session = Session()
    assert session.send("conversation.item.create", item={**TEXT, "id": "first"}) == []
    assert session.send("conversation.item.create", item={**TEXT, "id": "first"})[0].message.startswith("There is an")
    assert session.send("conversation.item.create", item=TEXT, previous_item_id="first") == []
    assert session.send("response.create") == [Typed("Hello\nHello")]
    for _ in range(MAX_PENDING):
        assert session.send("conversation.item.create", item=TEXT) == []
    [wrong] = session.send("conversation.item.create", item=TEXT)
    assert isinstance(wrong, Malformed)
    assert session.last["error"]["code"] == "too_many_items"


def test_what_a_client_types_is_not_kept_without_end() -> None:
    session = Session()
    long = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "x" * 60_000}]}
    session.send("conversation.item.create", item={**long, "id": "first"})
    [wrong] = session.send("conversation.item.create", item=long)
    assert isinstance(wrong, Malformed)
    assert session.last["error"]["code"] == "too_many_items"
    for _ in range(4):
        session.send("response.create")
        session.tell(call.Problem("over_limit", "It is too long.", unanswered=True))
        session.send("conversation.item.create", item=long)
    session.send("conversation.item.retrieve", item_id="first")
    assert session.last["error"]["code"] == "item_retrieve_invalid_item_id"


@pytest.mark.parametrize(
    "metadata", [{"a": 1}, {"a": "x" * 513}, {"x" * 65: "a"}, dict.fromkeys(map(str, range(17)), "")]
)
def test_metadata_is_bounded_as_in_the_service(metadata: Any) -> None:
    session = Session()
    session.send("conversation.item.create", item=TEXT)
    [wrong] = session.send("response.create", response={"metadata": metadata})
    assert isinstance(wrong, Malformed)
    assert session.last["error"]["param"] == "response.metadata"


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("session.update", {"session": {"output_modalities": ["text"]}}),
        ("session.update", {"session": {"audio": {"input": {"format": {"type": "audio/pcmu"}}}}}),
        ("conversation.item.create", {"item": TEXT}),
        ("input_audio_buffer.commit", {}),
        ("response.create", {}),
        ("session.close", {}),
    ],
)
def test_an_event_over_a_limit_has_no_effect(kind: str, fields: dict[str, Any]) -> None:
    session = Session()
    session.send("input_audio_buffer.append", audio=SILENCE)
    session.send("conversation.item.create", item=TEXT)
    before = len(session.reader.events)
    assert session.protocol.receive(json.dumps({"type": kind, **fields}), lambda: False) == []
    assert session.protocol.microphone == AudioFormat("pcm16", 24000)
    assert session.send("response.create") == [Typed("Hello")]
    session.tell(call.ReplyText(1, "Good day."))
    assert session.last["type"] == "response.output_audio_transcript.delta"
    assert session.reader.events[before]["type"] == "response.created"


def test_audio_is_not_asked_about() -> None:
    def never() -> bool:
        raise AssertionError

    protocol = OpenAIRealtime({"model": "desk"})
    append = json.dumps({"type": "input_audio_buffer.append", "audio": SILENCE})
    assert Audio(bytes(4800)) in protocol.receive(append, never)


@pytest.mark.parametrize("code", ["over_limit", "nothing_heard"])
def test_a_response_that_cannot_come_is_refused_with_the_id_of_its_event(code: str) -> None:
    session = Session()
    session.send("conversation.item.create", item=TEXT)
    assert session.send("response.create", event_id="r1") == [Typed("Hello")]
    session.tell(call.Problem("over_limit", "Audio comes faster than real time."))
    assert session.last["error"]["event_id"] is None  # it is about something else
    session.tell(call.Problem(code, "It is too long.", unanswered=True))
    assert session.last["error"]["event_id"] == "r1"
    session.send("conversation.item.create", item=TEXT)
    assert session.send("response.create", event_id="r2") == [Typed("Hello")]


def test_a_response_that_was_cut_before_it_began_is_told_as_cancelled() -> None:
    session = Session()
    session.send("conversation.item.create", item=TEXT)
    session.send("response.create")
    session.tell(call.ReplyCut(1, ""))
    assert session.last["response"]["status"] == "cancelled"


def test_an_onset_over_the_agent_is_told_once_it_is_cut() -> None:
    session = Session()
    session.tell(call.ReplyText(1, "Hello there."))
    session.speak(1, 500)
    session.tell(call.CallerSpeechStarted())
    assert session.reader.of("input_audio_buffer.speech_started") == []
    session.tell(call.ReplyCut(1, "Hello"))
    started, *_, done = session.reader.events[-7:]
    assert started["type"] == "input_audio_buffer.speech_started"
    assert done["response"]["output"][0]["content"][0]["transcript"] == "Hello"
    session.tell(over(1, "cancelled_by_speech", "Hello there"))
    item_id = done["response"]["output"][0]["id"]
    session.send("conversation.item.retrieve", item_id=item_id)
    assert session.last["item"]["content"][0]["transcript"] == "Hello there"
    session.tell(call.CallerSpeechEnded())
    assert session.last["type"] == "input_audio_buffer.speech_stopped"


def test_a_sound_that_does_not_interrupt_is_not_told() -> None:
    session = Session()
    session.tell(call.ReplyText(1, "Hello there."))
    session.speak(1, 500)
    session.tell(call.CallerSpeechStarted(), call.CallerSpeechEnded(), call.SpeechSent(1), over(1))
    assert "input_audio_buffer.speech_started" not in session.reader.kinds


def test_speech_that_outlasts_the_agent_is_told_when_the_agent_is_done() -> None:
    session = Session()
    session.tell(call.ReplyText(1, "Hello there."))
    session.speak(1, 500)
    session.tell(call.CallerSpeechStarted(), call.SpeechSent(1), over(1))
    assert session.reader.kinds[-2:] == ["response.done", "input_audio_buffer.speech_started"]


def test_truncation() -> None:
    session = Session()
    session.tell(call.ReplyText(1, "Hello there."))
    session.speak(1, 500)
    item_id = session.last["item_id"]
    session.tell(call.CallerSpeechStarted(), call.ReplyCut(1, "Hello"))
    [wrong] = session.send("conversation.item.truncate", item_id=item_id, content_index=0, audio_end_ms=501)
    assert isinstance(wrong, Malformed)
    assert session.last["error"]["param"] == "audio_end_ms"
    played = session.send("conversation.item.truncate", item_id=item_id, content_index=0, audio_end_ms=320)
    assert played == [Played(1, 320, stopped=True)]
    assert (session.last["type"], session.last["audio_end_ms"]) == ("conversation.item.truncated", 320)


def test_a_cancel_stops_the_response_and_is_its_reason() -> None:
    session = Session()
    session.tell(call.ReplyText(1, "Hello there."))
    session.speak(1, 500)
    assert session.send("response.cancel") == [Stop()]
    session.tell(call.ReplyCut(1, "Hello"))
    assert session.last["response"]["status_details"]["reason"] == "client_cancelled"
    assert "input_audio_buffer.speech_started" not in session.reader.kinds


def test_usage_and_what_follows_a_cut_reply() -> None:
    session = Session()
    session.tell(call.ReplyText(1, "Hello there."), call.SpeechSent(1), over(1))
    usage = session.last["response"]["usage"]
    assert (usage["input_tokens"], usage["output_tokens"], usage["total_tokens"]) == (7, 3, 10)
    session.tell(call.ReplyText(2, "More."), call.ReplyCut(2, ""))
    before = len(session.reader.events)
    session.tell(call.ReplyText(2, "Late."), call.ReplyComplete(1, "Later."))
    assert len(session.reader.events) == before


@pytest.mark.parametrize(("tokens", "told"), [((7, 3), 10), ((0, 0), None)])
def test_usage_of_a_cut_reply_is_told_where_it_is_known(tokens: tuple[int, int], told: int | None) -> None:
    session = Session()
    session.tell(call.ReplyText(1, "Hello there."), call.ReplyCut(1, "Hello", *tokens))
    response = session.last["response"]
    assert response["status"] == "cancelled"
    assert (response["usage"] or {}).get("total_tokens") == told


@pytest.mark.parametrize(
    ("code", "kind", "told"),
    [
        (CloseCode.NOT_AUTHORISED, "invalid_request_error", "invalid_api_key"),
        (CloseCode.NO_SUCH_AGENT, "invalid_request_error", "model_not_found"),
        (CloseCode.OVER_A_LIMIT, "invalid_request_error", "rate_limit_exceeded"),
        (CloseCode.AGENT_BROKEN, "server_error", "agent_unavailable"),
        (CloseCode.COME_BACK, "server_error", "agent_restarting"),
    ],
)
def test_a_refused_session_is_told_why(code: CloseCode, kind: str, told: str) -> None:
    [frame] = OpenAIRealtime({"model": "desk"}).tell(call.Refused(code, "no"))
    error = json.loads(frame)["error"]
    assert (error["type"], error["code"], error["message"]) == (kind, told, "no")


def test_the_end_is_told_where_it_is_a_fault() -> None:
    session = Session()
    session.tell(call.CallOver("ended"))
    assert session.last["type"] == "session.updated"
    session.tell(call.CallOver("failed", "secret details"))
    assert session.last["error"]["code"] == "internal_error"
    assert "secret" not in json.dumps(session.last)


def test_the_eleven_client_events_are_known() -> None:
    assert len(CLIENT_EVENTS) == 11
