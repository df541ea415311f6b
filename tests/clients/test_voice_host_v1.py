"""The call protocol as a `ClientProtocol`: what it reads, what it tells, and what it has no words for."""

from __future__ import annotations

import json
from typing import Any, get_args

import pytest

from voice_host.call import events
from voice_host.clients.protocol import (
    Answer,
    Audio,
    ClientEvent,
    Handshake,
    Malformed,
    Opening,
    Played,
    Reset,
    Stop,
    Typed,
)
from voice_host.clients.voice_host_v1 import VoiceHostV1
from voice_host_sdk import CallAnswer

READ: list[tuple[str | bytes, ClientEvent]] = [
    (b"\1\2\3", Audio(b"\1\2\3")),
    ('{"type": "text", "text": "Hello"}', Typed("Hello")),
    ('{"type": "cancel"}', Stop()),
    ('{"type": "reset", "more": 1}', Reset()),
    ('{"type": "playback", "reply": 3, "played_ms": 12.5}', Played(3, 12.5)),
    ('{"type": "playback", "reply": 3, "played_ms": 12.5, "held": true}', Played(3, 12.5, paused=True)),
    (
        '{"type": "playback", "reply": 3, "played_ms": Infinity}',
        Malformed('In "playback", played_ms: Input should be a finite number.'),
    ),
    ('{"type": "ping"}', Answer(('{"type": "pong"}',))),
    ("{", Malformed("A text frame must hold a JSON object.")),
    ("[" * 100_000, Malformed("The JSON is nested too deeply.")),
    ("[]", Malformed('A text frame must hold a JSON object with a "type".')),
    ('{"type": "text", "text": ""}', Malformed('In "text", text: String should have at least 1 character.')),
    (
        '{"type": "text", "text": "\\ud800"}',
        Malformed('In "text", text: Input should be a valid string, unable to parse raw data as a unicode string.'),
    ),
]


@pytest.mark.parametrize(("frame", "event"), READ, ids=lambda value: str(value)[:30])
def test_what_a_client_sends(frame: str | bytes, event: ClientEvent) -> None:
    assert list(VoiceHostV1().receive(frame)) == [event]


def test_what_a_later_version_may_send_is_ignored() -> None:
    assert list(VoiceHostV1().receive('{"type": "wave"}')) == []


def test_the_address_opens_the_call_and_credentials_are_no_metadata() -> None:
    query = {"name": "Ada", "token": "secret", "resume": "abc.def"}
    assert list(VoiceHostV1().connected(Handshake(query))) == [Opening({"name": "Ada"}, "abc.def")]
    assert list(VoiceHostV1().connected(Handshake())) == [Opening()]


@pytest.mark.parametrize(
    ("offered", "accepted"), [((), None), (("voice-host.token.x", "voice-host.v1"), "voice-host.v1"), (("chat",), None)]
)
def test_the_subprotocol(offered: tuple[str, ...], accepted: str | None) -> None:
    assert VoiceHostV1().subprotocol(offered) == accepted


def test_speech_goes_as_it_is() -> None:
    assert list(VoiceHostV1().speech(1, b"\0\0")) == [b"\0\0"]


READY = {
    "type": "ready",
    "sample_rate": 16000,
    "tts_sample_rate": 24000,
    "session_id": "s",
    "agent": "a",
    "protocol": 1,
}
TOLD: list[tuple[events.CallEvent, dict[str, Any]]] = [
    (
        events.Ready("s", "a", 16000, 24000, "t", True, "1.2.0"),
        READY | {"resume_token": "t", "resumed": True, "agent_version": "1.2.0"},
    ),
    (
        events.Ready("s", "a", 16000, 24000),
        READY | {"resume_token": None, "resumed": False, "agent_version": None},
    ),
    (events.Heard("Hel", False), {"type": "transcript", "text": "Hel", "final": False}),
    (events.TurnTaken("Hello", typed=False), {"type": "turn", "text": "Hello"}),
    (events.ReplyBegun(1), {"type": "thinking"}),
    (events.ToolStarted("i", "n", {"a": 1}), {"type": "tool_call", "id": "i", "name": "n", "arguments": {"a": 1}}),
    (events.ToolFinished("i", "n", {}, True, "42", 1.5), {"type": "tool_result", "id": "i", "name": "n", "ok": True}),
    (events.ReplyText(1, "Hi"), {"type": "reply_delta", "reply": 1, "text": "Hi"}),
    (events.ReplyComplete(1, "Hi", ("a",)), {"type": "chat", "reply": 1, "text": "Hi", "steps": ["a"]}),
    (events.ReplyComplete(1, "Hi", greeting=True), {"type": "greeting", "reply": 1, "text": "Hi"}),
    (events.SpeechSent(1), {"type": "tts_done", "reply": 1}),
    (events.ReplyHeld(1), {"type": "hold", "reply": 1}),
    (events.ReplyReleased(1), {"type": "unhold", "reply": 1}),
    (events.ReplyCut(1, "H"), {"type": "cancelled", "reply": 1, "heard": "H"}),
    (
        events.ReplyOver(1, "spoken", "completed", "Hi", "Hi", False, {"first_token": 1.5}),
        {"type": "metrics", "reply": 1, "stages_ms": {"first_token": 1.5}},
    ),
    (events.ConversationReset(), {"type": "reset"}),
    (events.Problem("c", "m", True), {"type": "error", "code": "c", "message": "m", "fatal": True}),
    (
        events.CallOver("shutdown"),
        {"type": "error", "code": "draining", "message": "The server is shutting down.", "fatal": True},
    ),
    (
        events.CallOver("failed", "something went wrong"),
        {"type": "error", "code": "internal", "message": "Something went wrong on our side.", "fatal": True},
    ),
]


@pytest.mark.parametrize(("event", "message"), TOLD, ids=lambda value: type(value).__name__)
def test_what_a_client_is_told(event: events.CallEvent, message: dict[str, Any]) -> None:
    [frame] = VoiceHostV1().tell(event)
    assert json.loads(frame) == message


def test_the_result_of_a_tool_is_not_told() -> None:
    [frame] = VoiceHostV1().tell(events.ToolFinished("i", "n", {}, True, "secret", 1.5))
    assert "secret" not in str(frame)


UNTOLD: list[events.CallEvent] = [
    events.TurnCommitted("Hello"),
    events.AnswerWithdrawn(),
    events.Refused(4401, "a key or a call token is needed"),
    events.CallerSpeechStarted(),
    events.CallerSpeechEnded(),
    events.ToolFinished("i", "n", {}, True, "42", 1.5, late=True),
    events.AnswerBrokenOff("length"),
    events.LimitExceeded("messages_per_s"),
    events.SpeechSkipped(1.5),
    events.MicrophoneDropped(640),
    events.SayDropped(),
    events.RecogniserLost("stt_closed"),
    events.ReplayDropped(3),
    events.FinalMissing(),
    events.VoiceFailedOver("tts_closed"),
    events.KeyPressed("5"),
    events.Answered(CallAnswer("human")),
    events.CallOver("ended", "bye"),
]


@pytest.mark.parametrize("event", UNTOLD, ids=lambda value: type(value).__name__)
def test_what_a_client_is_not_told(event: events.CallEvent) -> None:
    assert list(VoiceHostV1().tell(event)) == []


def test_every_event_of_a_call_was_thought_of() -> None:
    assert {type(event) for event, _ in TOLD} | {type(event) for event in UNTOLD} == set(get_args(events.CallEvent))
