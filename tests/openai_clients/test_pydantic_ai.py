"""A spoken conversation by pydantic-ai's realtime client, unchanged but for the address."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from pydantic_ai import Agent
from pydantic_ai.messages import ModelRequest, ModelResponse, SpeechPart, UserPromptPart
from pydantic_ai.providers.openai import OpenAIProvider
from pydantic_ai.realtime import RealtimeSession, RealtimeSessionErrorEvent, RealtimeTurnCompleteEvent
from pydantic_ai.realtime.openai import OpenAIRealtimeModel

from tests.openai_clients.conftest import GREETING, Host

FRAME_BYTES, FRAME_S = 960, 0.02

WITHIN_S = 90

pytestmark = pytest.mark.real_time


class Caller:
    """A microphone, a loudspeaker and ears for one session, in real time."""

    def __init__(self, session: RealtimeSession) -> None:
        self.session = session
        self.audible = asyncio.Event()
        self.errors: list[RealtimeSessionErrorEvent] = []
        self._turns = asyncio.Semaphore(0)
        self._speech = b""

    def say(self, pcm: bytes) -> None:
        self._speech += pcm

    async def reply(self) -> None:
        """Wait for the end of a reply, finished or interrupted."""
        await self._turns.acquire()

    async def listen(self) -> None:
        async for event in self.session:
            if isinstance(event, RealtimeSessionErrorEvent):
                self.errors.append(event)
            elif isinstance(event, RealtimeTurnCompleteEvent):
                self._turns.release()

    async def play(self) -> None:
        async for piece in self.session.stream_audio():
            self.audible.set()
            await asyncio.sleep(len(piece) / FRAME_BYTES * FRAME_S)

    async def speak(self) -> None:
        await self.session.send_audio(self._microphone())

    async def _microphone(self) -> AsyncIterator[bytes]:
        loop = asyncio.get_running_loop()
        due_s = loop.time()
        while True:
            frame, self._speech = self._speech[:FRAME_BYTES], self._speech[FRAME_BYTES:]
            yield frame.ljust(FRAME_BYTES, b"\0")
            due_s += FRAME_S
            await asyncio.sleep(due_s - loop.time())


async def test_it_holds_a_spoken_conversation(host: Host, speech: Path) -> None:
    provider = OpenAIProvider(base_url=f"http://{host.address}/v1", api_key=host.key)
    accessor = Agent(instructions="Ignored.").realtime(OpenAIRealtimeModel("front-desk", provider=provider))
    question = await asyncio.to_thread(speech.read_bytes)
    async with (
        asyncio.timeout(WITHIN_S),
        accessor.session(handle_barge_in=True) as session,
        asyncio.TaskGroup() as group,
    ):
        caller = Caller(session)
        tasks = [group.create_task(part()) for part in (caller.listen, caller.play, caller.speak)]
        await caller.audible.wait()
        caller.say(question)
        await caller.reply()  # the greeting, interrupted
        await caller.reply()
        await session.send("What time do you open on Friday?")
        await caller.reply()
        for task in tasks:
            task.cancel()
    assert caller.errors == []

    messages = session.all_messages()
    replies = [message for message in messages if isinstance(message, ModelResponse)]
    assert [reply.state for reply in replies] == ["interrupted", "complete", "complete"]
    said = [part.transcript or "" for reply in replies for part in reply.parts if isinstance(part, SpeechPart)]
    assert GREETING.startswith(said[0])
    assert "Friday" in said[2]
    asked = [part for message in messages if isinstance(message, ModelRequest) for part in message.parts]
    assert "weather" in next(part.transcript or "" for part in asked if isinstance(part, SpeechPart)).lower()
    typed = [part.content for part in asked if isinstance(part, UserPromptPart)]
    assert typed == ["What time do you open on Friday?"]
