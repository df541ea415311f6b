"""Whole calls of OpenAI Realtime clients that decide themselves when a turn ends."""

from __future__ import annotations

import asyncio

from tests.calls.realtime_desk import Callbacks, desk, named, says, transcript
from tests.clients.realtime_client import realtime
from voice_host_sdk import AgentConfig


async def test_the_client_decides_when_a_turn_ends() -> None:
    callbacks = Callbacks()
    async with desk(callbacks=callbacks) as s:
        s.llm.reply("It is noon.")
        async with realtime(s.url, audio={"input": {"turn_detection": None}}) as client:
            updated = await client.came("session.updated")
            assert updated["session"]["audio"]["input"]["turn_detection"] is None
            ears = await says(s, client, "What time is it")
            await asyncio.sleep(1)
            await ears.speech_started()
            await client.say()
            await client.send("input_audio_buffer.commit")
            await client.send("response.create")
            await client.came("conversation.item.added")
            assert callbacks.turns == []
            await ears.final("in Berlin?")
            await client.came("response.done")
            await client.send("input_audio_buffer.commit", event_id="c2")
            error = await client.came("error")
    [heard] = client.reader.of("conversation.item.input_audio_transcription.completed")
    assert heard["transcript"] == "What time is it in Berlin?"
    assert [(turn.text, turn.typed) for turn in callbacks.turns] == [("What time is it in Berlin?", False)]
    assert client.reader.of("input_audio_buffer.speech_started") == []
    assert named(error) == ("input_audio_buffer_commit_empty", "c2")


async def test_a_clear_after_a_commit_takes_nothing_away_from_it() -> None:
    callbacks = Callbacks()
    async with desk(callbacks=callbacks) as s:
        s.llm.reply("It is noon.")
        async with realtime(s.url, audio={"input": {"turn_detection": None}}) as client:
            ears = await says(s, client, "What time is it")
            await ears.speech_started()
            await client.send("input_audio_buffer.commit")
            await client.send("response.create")
            await client.send("input_audio_buffer.clear")  # as before the caller presses the button again
            await client.came("input_audio_buffer.cleared")
            await ears.final("in Berlin?")
            await client.came("response.done")
    assert [turn.text for turn in callbacks.turns] == ["What time is it in Berlin?"]


async def test_nothing_said_before_a_commit_is_an_error_and_no_turn() -> None:
    callbacks = Callbacks()
    async with desk(callbacks=callbacks) as s, realtime(s.url, audio={"input": {"turn_detection": None}}) as client:
        await says(s, client, "Scratch that")
        await asyncio.sleep(0.1)
        await client.send("input_audio_buffer.clear")
        await client.came("input_audio_buffer.cleared")
        await client.say()
        await client.send("input_audio_buffer.commit")
        await client.send("response.create", event_id="r1")
        error = await client.came("error")
        completed = await client.came("conversation.item.input_audio_transcription.completed")
    assert completed["transcript"] == ""
    assert named(error) == ("nothing_heard", "r1")
    assert callbacks.turns == []


async def test_whatever_was_committed_over_the_greeting_is_answered_in_its_place() -> None:
    config = AgentConfig(greeting="One two three four five six seven eight nine ten.")
    async with desk(config=config) as s:
        s.llm.reply("Fine.")
        async with realtime(s.url, audio={"input": {"turn_detection": None}}) as client:
            await client.hear_for(500)
            await says(s, client, "Okay.")  # which is no turn where the host decides
            await client.send("input_audio_buffer.commit")
            await client.send("response.create")
            [greeting, answer] = [await client.came("response.done"), await client.came("response.done", 2)]
    assert greeting["response"]["status"] == "cancelled"
    assert transcript(answer) == "Fine."


async def test_a_spoken_turn_is_cancelled_before_its_words_are_known() -> None:
    callbacks = Callbacks()
    async with desk(callbacks=callbacks) as s:
        s.llm.reply("Yes, both.")
        async with realtime(s.url, audio={"input": {"turn_detection": None}}) as client:
            ears = await s.stt.connected()
            await ears.speech_started()
            await client.say()
            await client.send("input_audio_buffer.commit")
            await client.send("response.create", response={"metadata": {"number": "1"}})
            await client.send("response.cancel")
            cancelled = await client.came("response.done")
            await ears.final("Can I pay by card?")
            await client.came("conversation.item.input_audio_transcription.completed")
            await client.send("response.cancel", event_id="late")
            await asyncio.sleep(2)
            assert callbacks.turns == []
            await client.type("Or in cash?")
            done = await client.came("response.done", 2)
    assert cancelled["response"]["status_details"] == {"type": "cancelled", "reason": "client_cancelled"}
    assert (cancelled["response"]["output"], cancelled["response"]["metadata"]) == ([], {"number": "1"})
    assert [turn.text for turn in callbacks.turns] == ["Can I pay by card?\nOr in cash?"]
    assert (transcript(done), done["response"]["metadata"]) == ("Yes, both.", None)
    assert list(map(named, client.reader.of("error"))) == [("response_cancel_not_active", "late")]
