"""OpenAI's Agents SDK for Python, which validates every event, unchanged but for the address."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from agents.realtime import RealtimeAgent, RealtimePlaybackTracker, RealtimeRunner, RealtimeSession

from tests.calls.front_desk import front_desk, recording, speak
from tests.front.hosting import Running
from tests.simulators.waiting import Observable

pytestmark = pytest.mark.usefixtures("embedded_speech")


class Conversation(Observable):
    """One session, whose audio is played in time."""

    def __init__(self, session: RealtimeSession, tracker: RealtimePlaybackTracker) -> None:
        super().__init__()
        self.session = session
        self.tracker = tracker
        self.events: list[Any] = []
        self.item: str | None = None
        self.played_ms = 0.0
        self._ends_at_s = 0.0
        self._began_s = 0.0

    async def listen(self) -> None:
        """Take the events of the session until it ends."""
        async for event in self.session:
            self.events.append(event)
            if event.type == "audio":
                now_s = asyncio.get_running_loop().time()
                if event.item_id != self.item:
                    self.item, self._began_s = event.item_id, now_s
                self.played_ms = (now_s - self._began_s) * 1000
                self.tracker.on_play_ms(event.item_id, event.content_index, self.played_ms)
            self.changed()

    def of(self, kind: str) -> list[Any]:
        return [event for event in self.events if event.type == kind]

    def raw(self, kind: str) -> list[dict[str, Any]]:
        """The server's events of a type."""
        data = [event.data.data for event in self.of("raw_model_event") if event.data.type == "raw_server_event"]
        return [event for event in data if event["type"] == kind]

    async def came(self, kind: str, count: int = 1) -> dict[str, Any]:
        await self.until(lambda _: len(self.raw(kind)) >= count, 60)
        return self.raw(kind)[count - 1]


async def converse(host: Running, talk_to: Any) -> Conversation:
    tracker = RealtimePlaybackTracker()
    runner = RealtimeRunner(RealtimeAgent(name="Client", instructions="You are somebody else."))
    url = f"ws://{host.address}/v1/realtime?model=front-desk"
    settings = {"model_name": "front-desk", "voice": "ash", "turn_detection": {"type": "semantic_vad"}}
    config = {"api_key": "any", "url": url, "playback_tracker": tracker, "initial_model_settings": settings}
    async with await runner.run(model_config=config) as session:  # type: ignore[arg-type]
        talk = Conversation(session, tracker)
        listening = asyncio.create_task(talk.listen())
        try:
            await talk_to(talk)
        finally:
            listening.cancel()
            await asyncio.wait([listening])
    return talk


async def test_a_spoken_conversation_with_an_interruption_and_a_typed_turn(tmp_path: Path) -> None:
    async def talk_to(talk: Conversation) -> None:
        await talk.came("response.done")
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(speak(recording("whats_the_weather_like.wav"), talk.session.send_audio))
            await talk.came("response.done", 2)
        await talk.session.send_message("What is on the menu on Friday, and when do you open?")
        await talk.until(lambda _: talk.item is not None and len(talk.raw("response.created")) == 3, 30)
        before = len(talk.raw("response.output_audio.delta"))
        await talk.until(lambda _: len(talk.raw("response.output_audio.delta")) > before + 2, 30)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(speak(recording("whats_the_weather_like.wav"), talk.session.send_audio))
            await talk.came("conversation.item.truncated")
            await talk.came("response.done", 4)

    async with front_desk(tmp_path) as host:
        talk = await converse(host, talk_to)
    assert talk.of("error") == []  # each event was as it is documented
    assert [event for event in talk.events if event.type.startswith("tool")] == []
    heard = [event["transcript"] for event in talk.raw("conversation.item.input_audio_transcription.completed")]
    assert heard[0] == "What's the weather like?"
    statuses = [event["response"]["status"] for event in talk.raw("response.done")]
    assert statuses[:4] == ["completed", "completed", "cancelled", "completed"]
    assert len(talk.of("audio_interrupted")) >= 1
    [truncated] = talk.raw("conversation.item.truncated")
    cut = next(e["response"]["output"][0] for e in talk.raw("response.done") if e["response"]["status"] == "cancelled")
    assert truncated["item_id"] == cut["id"]
    last = talk.of("history_updated")[-1].history
    spoken = [item for item in last if item.role == "assistant"]
    assert "the terrace is open" in spoken[1].content[0].transcript
