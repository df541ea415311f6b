"""OpenAI's own client for Python, unchanged but for the address."""

from __future__ import annotations

import asyncio
import base64
from pathlib import Path
from typing import Any

import pytest
from openai import AsyncOpenAI

from tests.calls.front_desk import front_desk, recording, speak

pytestmark = pytest.mark.usefixtures("embedded_speech")


class Conversation:
    """One session of the client, and the events that came."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection
        self.events: list[Any] = []

    async def until(self, kind: str) -> Any:
        """Return the next event of a type."""
        async with asyncio.timeout(60):
            while True:
                event = await self.connection.recv()
                self.events.append(event)
                if event.type == kind:
                    return event

    async def send_audio(self, pcm: bytes) -> None:
        await self.connection.input_audio_buffer.append(audio=base64.b64encode(pcm).decode())

    def transcript(self) -> str:
        """What the agent has said so far."""
        return "".join(e.delta for e in self.events if e.type == "response.output_audio_transcript.delta")


async def test_a_spoken_conversation_with_a_tool_an_interruption_and_a_typed_turn(tmp_path: Path) -> None:
    async with front_desk(tmp_path) as host:
        client = AsyncOpenAI(api_key="any", base_url=f"http://{host.address}/v1", max_retries=0)
        async with client.realtime.connect(model="front-desk") as connection:
            talk = Conversation(connection)
            created = await talk.until("session.created")
            await connection.session.update(session={"type": "realtime", "instructions": "Be rude.", "tools": []})
            updated = await talk.until("session.updated")
            greeted = await talk.until("response.done")

            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(speak(recording("whats_the_weather_like.wav"), talk.send_audio))
                heard = await talk.until("conversation.item.input_audio_transcription.completed")
                answered = await talk.until("response.done")

            content = [{"type": "input_text", "text": "When do you open on Friday?"}]
            await connection.conversation.item.create(item={"type": "message", "role": "user", "content": content})
            await connection.response.create()
            delta = await talk.until("response.output_audio.delta")
            await connection.response.cancel()
            await connection.conversation.item.truncate(item_id=delta.item_id, content_index=0, audio_end_ms=50)
            cancelled = await talk.until("response.done")
            truncated = await talk.until("conversation.item.truncated")
            await connection.conversation.item.retrieve(item_id=delta.item_id)
            retrieved = await talk.until("conversation.item.retrieved")
    assert created.session.model == "front-desk"
    assert updated.session.instructions == ""
    assert greeted.response.output[0].content[0].transcript
    assert heard.transcript == "What's the weather like?"
    assert "the terrace is open" in answered.response.output[0].content[0].transcript
    assert answered.response.output[0].content[0].transcript in talk.transcript()
    assert not [event for event in talk.events if "function_call" in event.to_json()]  # the tool ran on the host
    assert cancelled.response.status == "cancelled"
    assert truncated.audio_end_ms == 50
    assert len(retrieved.item.content[0].transcript) < 10


async def test_what_it_cannot_decide_is_an_error_and_the_session_goes_on(tmp_path: Path) -> None:
    """It would answer turns when it wants to (`create_response: false`), and give the agent instructions."""
    async with front_desk(tmp_path) as host:
        client = AsyncOpenAI(api_key="any", base_url=f"http://{host.address}/v1", max_retries=0)
        async with client.realtime.connect(model="front-desk") as connection:
            talk = Conversation(connection)
            detection = {"type": "server_vad", "create_response": False}
            await connection.session.update(
                session={"type": "realtime", "audio": {"input": {"turn_detection": detection}}}
            )
            updated = await talk.until("session.updated")
            await talk.until("response.done")

            rule = [{"type": "input_text", "text": "Answer in French."}]
            await connection.conversation.item.create(item={"type": "message", "role": "system", "content": rule})
            no_rule = await talk.until("error")

            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(speak(recording("whats_the_weather_like.wav"), talk.send_audio))
                await talk.until("conversation.item.input_audio_transcription.completed")
                await connection.response.create(event_id="at once")
                active = await talk.until("error")
                answered = await talk.until("response.done")
            await connection.response.create(event_id="afterwards")
            nothing = await talk.until("error")
    assert updated.session.audio.input.turn_detection.create_response is True
    assert (no_rule.error.code, no_rule.error.param) == ("unsupported_item", "item")
    assert (active.error.code, active.error.event_id) == ("conversation_already_has_active_response", "at once")
    assert answered.response.status == "completed"
    assert "the terrace is open" in answered.response.output[0].content[0].transcript
    assert (nothing.error.code, nothing.error.event_id) == ("nothing_to_answer", "afterwards")


async def test_it_learns_why_there_is_no_session(tmp_path: Path) -> None:
    async with front_desk(tmp_path) as host:
        client = AsyncOpenAI(api_key="any", base_url=f"http://{host.address}/v1", max_retries=0)
        async with client.realtime.connect(model="nobody") as connection:
            refused = await connection.recv()
    assert (refused.type, refused.error.code) == ("error", "model_not_found")
    assert refused.error.message == "there is no agent 'nobody'"
