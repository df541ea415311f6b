"""Whole calls of clients of the OpenAI Realtime API."""

from __future__ import annotations

import asyncio

import pytest
from websockets.asyncio.client import connect

from tests.calls.realtime_desk import TEN, Callbacks, desk, named, says, transcript
from tests.clients.realtime_client import RealtimeClient, realtime
from voice_host.settings import LimitsSettings
from voice_host_sdk import AgentConfig, tool


@tool
async def opening_hours(day: str) -> str:
    """Tell the opening hours of a day."""
    return f"On {day} we open at nine."


TURN = [
    "input_audio_buffer.speech_started",
    "input_audio_buffer.speech_stopped",
    "input_audio_buffer.committed",
    "conversation.item.added",
    "conversation.item.done",
    "conversation.item.input_audio_transcription.delta",
    "conversation.item.input_audio_transcription.completed",
]
BEGUN = [
    "response.created",
    "response.output_item.added",
    "conversation.item.added",
    "response.content_part.added",
]
SPOKEN = [
    "response.output_audio.done",
    "response.output_audio_transcript.done",
    "response.content_part.done",
    "conversation.item.done",
    "response.output_item.done",
    "response.done",
]


async def test_a_greeting_and_a_spoken_turn_in_the_recorded_order() -> None:
    callbacks = Callbacks()
    async with desk(config=AgentConfig(greeting="Hello there."), callbacks=callbacks) as s:
        s.llm.reply("It is noon.")
        async with realtime(s.url) as client:
            done = await client.came("response.done")
            assert done["response"]["status"] == "completed"
            assert done["response"]["output"][0]["content"] == [{"type": "output_audio", "transcript": "Hello there."}]
            await says(s, client, "What time is it?")
            done = await client.came("response.done", 2)
    kinds = [kind for kind in client.reader.kinds if not kind.endswith((".output_audio.delta", "transcript.delta"))]
    assert kinds == ["session.created", "session.updated", *BEGUN, *SPOKEN, *TURN, *BEGUN, *SPOKEN]
    usage = done["response"]["usage"]
    assert usage["input_tokens"] > 0
    assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"]
    [heard] = client.reader.of("conversation.item.input_audio_transcription.completed")
    assert heard["transcript"] == "What time is it?"
    assert heard["usage"] == {"type": "duration", "seconds": pytest.approx(0.1)}
    assert [turn.text for turn in callbacks.turns] == ["What time is it?"]
    assert client.closed == (1000, "")
    assert callbacks.channels == ["realtime"]


async def test_an_interruption_is_told_once_decided_and_what_was_heard_is_exact() -> None:
    callbacks = Callbacks()
    async with desk(callbacks=callbacks) as s:
        s.llm.reply(TEN)
        s.llm.reply("Fine, I stop here.")
        async with realtime(s.url) as client:
            ears = await says(s, client, "Count to ten")
            await client.hear_for(1050)  # three words and a half
            await ears.speech_started()
            await asyncio.sleep(0.05)
            assert len(client.reader.of("input_audio_buffer.speech_started")) == 1  # the first turn's
            await ears.final("Wait a moment please")
            cut = await client.came("response.done")
            await client.came("response.done", 2)
            [(item, played_ms)] = client.truncated
            [truncated] = client.reader.of("conversation.item.truncated")
            assert (truncated["item_id"], truncated["audio_end_ms"]) == (item, played_ms)
            await client.send("conversation.item.retrieve", item_id=item)
            retrieved = await client.came("conversation.item.retrieved")
    assert cut["response"]["status"] == "cancelled"
    assert cut["response"]["status_details"] == {"type": "cancelled", "reason": "turn_detected"}
    assert cut["response"]["output"][0]["status"] == "incomplete"
    assert client.reader.kinds.index("input_audio_buffer.speech_started") < client.reader.kinds.index("response.done")
    words = " ".join(["One", "two", "three", "four", "five", "six"][: played_ms // 300])
    assert [(reply.heard, reply.interrupted) for reply in callbacks.replies] == [
        (words, True),
        ("Fine, I stop here.", False),
    ]
    assert retrieved["item"]["content"] == [{"type": "output_audio", "transcript": words}]
    [kept] = [message for message in s.llm.requests[-1].messages if message["role"] == "assistant"]
    assert kept["content"] == f"{words} [interrupted by the caller]"


@pytest.mark.parametrize(
    ("heard_ms", "reported_ms", "heard"),
    [(1600, 650, "One two"), (1050, None, "One two three")],
    ids=["its loudspeaker is a second late", "it does not tell"],
)
async def test_what_a_client_played_is_what_it_reports_or_else_an_estimate(
    heard_ms: float, reported_ms: int | None, heard: str
) -> None:
    callbacks = Callbacks()
    async with desk(callbacks=callbacks) as s:
        s.llm.reply(TEN)
        s.llm.reply("Fine.")
        async with realtime(s.url, truncates=False) as client:
            ears = await says(s, client, "Count to ten")
            await client.hear_for(heard_ms)
            item = client.item
            await ears.final("Wait a moment please")
            if reported_ms is not None:
                await client.came("input_audio_buffer.speech_started", 2)
                await client.send("conversation.item.truncate", item_id=item, content_index=0, audio_end_ms=reported_ms)
            await client.came("response.done", 2)
    assert callbacks.replies[0].heard == heard
    [kept] = [message for message in s.llm.requests[-1].messages if message["role"] == "assistant"]
    assert kept["content"] == f"{heard} [interrupted by the caller]"


async def test_a_client_that_stops_playing_stops_the_agent() -> None:
    callbacks = Callbacks()
    async with desk(callbacks=callbacks) as s:
        s.llm.reply(TEN)
        s.llm.reply("Fine.")
        async with realtime(s.url) as client:
            await says(s, client, "Count to ten")
            await client.hear_for(1050)
            await client.stop_playing()
            await client.send("response.cancel")
            done = await client.came("response.done")
            error = await client.came("error")
            await client.type("Are you there?")
            await client.came("response.done", 2)
    assert done["response"]["status_details"] == {"type": "cancelled", "reason": "client_cancelled"}
    assert error["error"]["code"] == "response_cancel_not_active"
    assert callbacks.replies[0].heard == "One two three"
    assert len(client.reader.of("input_audio_buffer.speech_started")) == 1
    assert callbacks.errors == []  # a cancel that comes too late is no fault


async def test_a_response_is_cancelled() -> None:
    callbacks = Callbacks()
    async with desk(callbacks=callbacks) as s:
        s.llm.reply(TEN)
        async with realtime(s.url) as client:
            await client.type("Count to ten")
            created = await client.came("response.created")
            await client.hear_for(650)
            await client.send("response.cancel", response_id="resp_other", event_id="e1")
            error = await client.came("error")
            await client.send("response.cancel", response_id=created["response"]["id"])
            done = await client.came("response.done")
            await client.stop_playing()  # after the cancel, as the JavaScript client does
            await client.until(lambda _: bool(callbacks.replies), 5)
    assert named(error) == ("response_cancel_not_active", "e1")
    assert done["response"]["status_details"]["reason"] == "client_cancelled"
    assert callbacks.replies[0].heard == "One two"


async def test_a_typed_turn_is_cancelled_before_its_response_begins() -> None:
    callbacks = Callbacks()
    async with desk(callbacks=callbacks) as s:
        s.llm.reply(TEN)
        async with realtime(s.url) as client:
            await client.type("Count to ten")
            await client.send("response.cancel")
            done = await client.came("response.done")
            await asyncio.sleep(2)
    assert done["response"]["status_details"]["reason"] == "client_cancelled"
    assert client.reader.of("error") == client.reader.of("response.output_audio.delta") == []
    assert len(client.reader.of("response.created")) == 1


async def test_a_host_that_will_stop_is_no_error_while_the_call_goes_on() -> None:
    async with desk() as s:
        s.llm.reply("It is noon.")
        async with realtime(s.url) as client:
            await client.came("session.updated")
            draining = asyncio.create_task(s.manager.drain(5))
            await asyncio.sleep(0.1)
            await client.type("What time is it?")
            done = await client.came("response.done")
        await draining
    assert transcript(done) == "It is noon."
    assert client.reader.of("error") == []


async def test_typed_turns_are_answered_when_a_response_is_asked_for() -> None:
    callbacks = Callbacks()
    async with desk(callbacks=callbacks) as s:
        s.llm.reply("Both are possible.")
        async with realtime(s.url) as client:
            for text in ("Can I pay by card?", "And in cash?"):
                item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]}
                await client.send("conversation.item.create", item=item)
            await client.came("conversation.item.done", 2)
            await asyncio.sleep(1)
            assert callbacks.turns == []
            await client.send("response.create", response={"metadata": {"topic": "paying"}})
            await client.send("response.create", event_id="twice")
            created = await client.came("response.created")
            done = await client.came("response.done")
            await client.send("response.create", event_id="nothing")
            await client.came("error", 2)
    assert [(turn.text, turn.typed) for turn in callbacks.turns] == [("Can I pay by card?\nAnd in cash?", True)]
    assert created["response"]["metadata"] == {"topic": "paying"}
    assert transcript(done) == "Both are possible."
    assert list(map(named, client.reader.of("error"))) == [
        ("conversation_already_has_active_response", "twice"),
        ("nothing_to_answer", "nothing"),
    ]


async def test_a_question_typed_at_once_is_answered_in_place_of_the_greeting() -> None:
    async with desk(config=AgentConfig(greeting="One two three four five six seven eight.")) as s:
        s.llm.reply("Yes, we are.")
        async with realtime(s.url) as client:
            await client.hear_for(700)
            await client.type("Are you open?", "e1")
            await client.send("response.create", event_id="twice")
            [greeting, answer] = [await client.came("response.done"), await client.came("response.done", 2)]
    assert greeting["response"]["status_details"] == {"type": "cancelled", "reason": "client_cancelled"}
    assert transcript(greeting) == "One two"
    assert transcript(answer) == "Yes, we are."
    assert client.reader.of("input_audio_buffer.speech_started") == []
    assert [error["error"]["event_id"] for error in client.reader.of("error")] == ["twice"]


async def test_a_question_before_the_greeting_is_answered_in_its_place() -> None:
    async with desk(config=AgentConfig(greeting="Hello there.")) as s, connect(s.url, proxy=None) as ws:
        s.llm.reply("Yes, we are.")
        client = RealtimeClient(ws)
        await client.type("Are you open?")
        listening = asyncio.create_task(client.listen())
        done = await client.came("response.done")
        await ws.close()
        await listening
    assert transcript(done) == "Yes, we are."


async def test_a_response_asked_for_at_once_is_the_greeting() -> None:
    async with desk(config=AgentConfig(greeting="Hello there.")) as s, connect(s.url, proxy=None) as ws:
        client = RealtimeClient(ws)
        await client.send("response.create", event_id="e1", response={"metadata": {"client_event_id": "e1"}})
        listening = asyncio.create_task(client.listen())
        done = await client.came("response.done")
        await client.send("response.create", event_id="nothing")
        error = await client.came("error")
        await ws.close()
        await listening
    assert done["response"]["metadata"] == {"client_event_id": "e1"}
    assert transcript(done) == "Hello there."
    assert named(error) == ("nothing_to_answer", "nothing")


async def test_a_client_that_wants_text_gets_text() -> None:
    async with desk(config=AgentConfig(greeting="Hello there.")) as s:
        s.llm.reply("It is noon.")
        async with realtime(s.url, output_modalities=["text"]) as client:
            await client.came("response.done")
            await client.type("What time is it?")
            done = await client.came("response.done", 2)
    assert done["response"]["output"][0]["content"] == [{"type": "output_text", "text": "It is noon."}]
    assert done["response"]["output_modalities"] == ["text"]
    assert client.reader.of("response.output_audio.delta") == []
    assert [event["text"] for event in client.reader.of("response.output_text.done")] == ["Hello there.", "It is noon."]


async def test_tools_run_on_the_host_and_are_not_shown() -> None:
    async with desk(config=AgentConfig(tools=[opening_hours])) as s:
        s.llm.call_tool("opening_hours", {"day": "Friday"})
        s.llm.reply("We open at nine.")
        async with realtime(s.url) as client:
            await client.type("When do you open on Friday?")
            done = await client.came("response.done")
    assert transcript(done) == "We open at nine."
    assert "function_call" not in str(client.reader.events)
    assert len(client.reader.of("response.created")) == 1


async def test_mistakes_are_reported_as_those_of_any_client_and_the_session_goes_on() -> None:
    callbacks = Callbacks()
    async with desk(callbacks=callbacks) as s:
        s.llm.reply("It is noon.")
        async with realtime(s.url, tools=[{"type": "function", "name": "mine"}]) as client:
            error = await client.came("error")
            await client.send("session.close")
            await client.came("error", 2)
            await client.type("What time is it?")
            await client.came("response.done")
    assert error["error"]["param"] == "session.tools"
    assert [error.code for error in callbacks.errors] == ["bad_message", "bad_message"]


async def test_binary_frames_count_as_messages() -> None:
    async with desk(limits=LimitsSettings(messages_per_s=2)) as s, realtime(s.url) as client:
        for _ in range(20):
            await client.send_binary(b"\0\0")
        await client.type("Hello")
        await asyncio.sleep(1)
    codes = [event["error"]["code"] for event in client.reader.of("error")]
    assert set(codes) == {"invalid_frame", "rate_limit_exceeded"}
    assert len(codes) < 10


async def test_a_message_that_is_too_long_leaves_nothing_behind() -> None:
    async with desk(limits=LimitsSettings(max_json_bytes=1000)) as s:
        s.llm.reply("It is noon.")
        async with realtime(s.url) as client:
            await client.say(bytes(48000))  # audio has other limits, also as the first message
            await client.type("Blah. " * 1000)
            await client.came("error")
            await client.type("What time is it?")
            await client.came("response.done")
    codes = [event["error"]["code"] for event in client.reader.of("error")]
    assert codes == ["rate_limit_exceeded", "nothing_to_answer"]
    assert [message["content"] for message in s.llm.requests[0].messages][-1] == "What time is it?"


async def test_more_than_a_limit_is_ignored_and_told_with_the_id_of_the_event() -> None:
    limits = LimitsSettings(max_typed_chars=10)
    async with desk(limits=limits) as s, realtime(s.url) as client:
        await client.type("This is far too long.", event_id="r1")
        error = await client.came("error")
    assert named(error) == ("rate_limit_exceeded", "r1")


@pytest.mark.parametrize("kind", ["audio/pcmu", "audio/pcma"])
async def test_telephone_audio_both_ways_from_the_greeting_on(kind: str) -> None:
    audio = {"input": {"format": {"type": kind}}, "output": {"format": {"type": kind}}}
    async with (
        desk(config=AgentConfig(greeting="Hello there.")) as s,
        realtime(s.url, audio=audio, after_s=0.3) as client,
    ):
        updated = await client.came("session.updated")
        await client.came("response.done")
        ears = await s.stt.connected()
        for _ in range(10):
            await client.say(b"\xff" * 800)
        await asyncio.sleep(1)
        assert len(ears.audio) >= 2 * 900 * 16  # at 16 kHz
    assert updated["session"]["audio"]["output"]["format"] == {"type": kind}
    [item] = client.reader.pcm_ms
    assert 500 < client.reader.pcm_ms[item] * 48 / 8 <= 610  # two words, at 8 bytes a millisecond


async def test_a_greeting_does_not_wait_long_for_a_client_that_asks_for_nothing() -> None:
    async with desk(config=AgentConfig(greeting="Hello there.")) as s, connect(s.url, compression=None) as ws:
        kinds = []
        async with asyncio.timeout(3):
            while not kinds or kinds[-1] != '"response.done"':
                kinds.append(str(await ws.recv()).split(":")[1].split(",")[0])
    assert kinds[:2] == ['"session.created"', '"response.created"']
