"""What clients of OpenAI Realtime do wrong, what they cannot have, and what they are told, without an event loop."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.clients.realtime_session import SILENCE, TEXT, Session
from voice_host.call import events as call
from voice_host.clients.close_codes import CloseCode
from voice_host.clients.openai_realtime import OpenAIRealtime
from voice_host.clients.protocol import (
    Audio,
    AudioFormat,
    Malformed,
    SpeechWanted,
    Typed,
)

BAD: list[tuple[str | bytes, str, str | None]] = [
    (b"\0\0", "invalid_frame", None),
    (b'{"type": "input_audio_buffer.append", "audio": "AAAA"}', "invalid_frame", None),
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
        '{"type": "session.update", "session": {"input_audio_format": "g711_ulaw"}}',
        "unknown_parameter",
        "session.input_audio_format",
    ),
    (
        '{"type": "session.update", "session": {"output_audio_format": "pcm16"}}',
        "unknown_parameter",
        "session.output_audio_format",
    ),
    (
        '{"type": "session.update", "session": {"audio": {"input": {"format": {"type": "audio/pcmu", "rate": 1}}}}}',
        "invalid_value",
        "session.audio.input.format.rate",
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
    ('{"type": "input_audio_buffer.append", "audio": null}', "invalid_value", "audio"),
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


def test_an_event_of_audio_has_no_id_or_a_valid_one() -> None:
    append = {"type": "input_audio_buffer.append", "audio": "AAAA"}
    for event_id in (None, "a"):
        assert Audio(b"\0\0\0") in OpenAIRealtime({}).receive(json.dumps({**append, "event_id": event_id}))
    assert isinstance(OpenAIRealtime({}).receive(json.dumps({**append, "event_id": 5}))[0], Malformed)


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


def test_tools_of_a_client_are_refused_and_the_rest_is_taken_over() -> None:
    session = Session()
    asked = {"tools": [{"type": "function", "name": "f"}], "output_modalities": ["text"]}
    speech, wrong = session.send("session.update", session=asked, event_id="mine")
    assert speech == SpeechWanted(False)
    assert isinstance(wrong, Malformed)
    updated, error = session.reader.events[-2:]
    assert updated["session"]["tools"] == []
    assert (error["error"]["param"], error["error"]["event_id"]) == ("session.tools", "mine")


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
    assert session.protocol.receive(json.dumps({"type": kind, **fields}), lambda **_: False) == []
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
