"""Frames of the OpenAI Realtime protocol, good and bad, without an event loop."""

from __future__ import annotations

import json

import pytest

from tests.clients.realtime_reader import DOCUMENTED
from tests.clients.realtime_session import SILENCE, TEXT, Session, over
from voice_host.call import events as call
from voice_host.clients.openai_realtime import OpenAIRealtime
from voice_host.clients.openai_realtime.client_events import CLIENT_EVENTS
from voice_host.clients.openai_realtime.protocol import MAX_PENDING
from voice_host.clients.openai_realtime.server_events import SERVER_EVENTS
from voice_host.clients.protocol import (
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
    Stop,
    TurnMode,
    Typed,
)
from voice_host_sdk import Channel


def test_the_opening_says_what_the_call_has_to_wait_for() -> None:
    handshake = Handshake({"model": "desk", "token": "secret", "customer": "17"})
    [opening] = OpenAIRealtime({"model": "desk"}).connected(handshake)
    assert opening == Opening({"customer": "17"}, channel=Channel("realtime"), reports_after_cut=True, configures=True)
    protocol = OpenAIRealtime({"model": "desk"})
    assert protocol.subprotocol(["realtime", "openai-insecure-api-key.vh_1"]) == "realtime"
    assert protocol.subprotocol(["openai-insecure-api-key.vh_1"]) is None


def test_every_event_is_one_that_is_documented() -> None:
    assert set(DOCUMENTED) > SERVER_EVENTS


def test_an_item_after_an_earlier_one_comes_last_and_is_told_so() -> None:
    session = Session()
    for _ in range(2):
        session.send("conversation.item.create", item=TEXT)
    first, second = (event["item"]["id"] for event in session.reader.of("conversation.item.added"))
    session.send("conversation.item.create", item={**TEXT, "id": "mine"}, previous_item_id=first)
    third = session.reader.of("conversation.item.added")[-1]
    assert (third["item"]["id"], third["previous_item_id"]) == ("mine", second)


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


def test_the_first_event_says_that_the_agent_may_speak() -> None:
    protocol = OpenAIRealtime({"model": "desk"})
    frame = json.dumps({"type": "input_audio_buffer.append", "audio": SILENCE})
    assert protocol.receive(frame) == [Audio(bytes(4800)), Configured()]
    assert protocol.receive(frame) == [Audio(bytes(4800))]


def test_formats_follow_the_session() -> None:
    session = Session()
    assert session.protocol.microphone == AudioFormat("pcm16", 24000)
    for audio_format in (
        {"type": "audio/pcma"},
        {"type": "audio/pcma", "rate": 8000},
        {"type": "audio/pcma", "rate": None},
    ):
        session.send("session.update", session={"audio": {"input": {"format": audio_format}}})
        assert session.protocol.microphone == AudioFormat("alaw", 8000)
    assert session.reader.of("error") == []
    assert session.protocol.speaker == AudioFormat("pcm16", 24000)


def test_a_response_may_be_asked_for_as_it_is_anyway() -> None:
    session = Session()
    session.send("conversation.item.create", item=TEXT)
    as_it_is = {"conversation": "auto", "instructions": None, "tools": [], "max_output_tokens": "inf"}
    assert session.send("response.create", response=as_it_is) == [Typed("Hello")]


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


def test_audio_is_committed_once() -> None:
    session = Session()
    session.send("session.update", session={"audio": {"input": {"turn_detection": None}}})
    for _ in range(2):
        session.send("input_audio_buffer.append", audio=SILENCE)
    assert session.send("input_audio_buffer.commit") == [Commit()]
    assert session.send("input_audio_buffer.commit") == []
    assert session.last["error"]["code"] == "input_audio_buffer_commit_empty"
    session.send("input_audio_buffer.append", audio=SILENCE)  # of the next turn, before the words of this one are known
    session.tell(call.TurnCommitted("Hello"))
    assert session.last["usage"]["seconds"] == 0.2
    assert session.send("input_audio_buffer.commit") == [Commit()]
    session.tell(call.TurnCommitted("Bye"))
    assert session.last["usage"]["seconds"] == 0.1


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


def test_a_response_that_was_cut_before_it_began_is_told_as_cancelled() -> None:
    session = Session()
    session.send("conversation.item.create", item=TEXT)
    session.send("response.create")
    session.tell(call.TurnTaken("Hello", typed=True), call.ReplyCut(1, ""))
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


def committed_in_the_greeting() -> Session:
    """Return a session whose client has committed audio over the greeting, and asked for an answer."""
    session = Session()
    session.send("session.update", session={"audio": {"input": {"turn_detection": None}}})
    session.tell(call.Ready("s1", "desk", 16000, 24000, greets=True), call.ReplyText(1, "Hello there."))
    session.speak(1, 500)
    session.send("input_audio_buffer.append", audio=SILENCE)
    session.send("input_audio_buffer.commit")
    assert session.send("response.create", response={"metadata": {"number": "1"}}) == [Respond("")]
    return session


def test_a_cancel_in_the_greeting_is_also_of_the_answer_that_was_asked_for() -> None:
    session = committed_in_the_greeting()
    assert session.send("response.cancel") == [Stop()]
    session.tell(call.AnswerWithdrawn(), call.ReplyCut(1, "Hello"))
    greeting, answer = (event["response"] for event in session.reader.of("response.done"))
    assert (greeting["status"], greeting["output"][0]["content"][0]["transcript"]) == ("cancelled", "Hello")
    assert (answer["status"], answer["output"], answer["metadata"]) == ("cancelled", [], {"number": "1"})


def test_a_cancel_of_the_greeting_alone_leaves_the_answer_that_was_asked_for() -> None:
    session = committed_in_the_greeting()
    greeting = session.reader.of("response.created")[-1]["response"]["id"]
    assert session.send("response.cancel", response_id=greeting) == [Stop(withdraws=False)]
    session.tell(call.ReplyCut(1, "Hello"), call.TurnTaken("What time is it?", typed=False), call.ReplyBegun(2))
    assert [event["response"]["metadata"] for event in session.reader.of("response.created")] == [None, {"number": "1"}]


def test_a_reply_of_the_hosts_own_is_not_the_one_that_was_asked_for() -> None:
    session = committed_in_the_greeting()
    session.tell(call.SpeechSent(1), over(1), call.ReplyText(2, "Are you still there?"), call.SpeechSent(2), over(2))
    session.tell(call.TurnTaken("What time is it?", typed=False), call.ReplyBegun(3))
    metadata = [event["response"]["metadata"] for event in session.reader.of("response.created")]
    assert metadata == [None, None, {"number": "1"}]


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


def test_the_eleven_client_events_are_known() -> None:
    assert len(CLIENT_EVENTS) == 11
