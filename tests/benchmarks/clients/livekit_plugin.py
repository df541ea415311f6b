"""A spoken conversation by LiveKit's plugin for OpenAI Realtime, against a host that runs:

    uv run --no-project --isolated --with livekit-plugins-openai \\
        python tests/benchmarks/clients/livekit_plugin.py http://127.0.0.1:8000 front-desk

Prints what was said and how the conversation went, and ends with 1 if it did not go to its end. `--key`: an API key.
"""

from __future__ import annotations

import argparse
import asyncio
import time
import wave
from pathlib import Path

from livekit import rtc
from livekit.agents import llm
from livekit.plugins import openai

RECORDING = Path(__file__).parents[2] / "data" / "whats_the_weather_like.wav"
FRAME_S = 0.02
HZ = 16_000
WITHIN_S = 60.0


class Conversation:
    """What one session has heard, and a microphone for it."""

    def __init__(self, session: llm.RealtimeSession) -> None:
        self.session = session
        self.begun = time.monotonic()
        self.transcripts: asyncio.Queue[str] = asyncio.Queue()
        self.replies: asyncio.Queue[tuple[str, float]] = asyncio.Queue()
        self.audible = asyncio.Event()
        self.errors: list[str] = []
        self.playing: tuple[str, float] | None = None
        self.received_s = 0.0
        self._tasks: set[asyncio.Task[None]] = set()
        self._speech = b""
        session.on("generation_created", self._generation)
        session.on("input_speech_started", self._interrupt)
        session.on("input_audio_transcription_completed", self._transcribed)
        session.on("error", lambda error: self.errors.append(str(error.error)))

    def note(self, text: str) -> None:
        print(f"{time.monotonic() - self.begun:6.2f} s  {text}")

    def say(self, path: Path) -> None:
        with wave.open(str(path)) as file:
            assert file.getframerate() == HZ
            self._speech += file.readframes(file.getnframes())

    async def microphone(self) -> None:
        samples = round(HZ * FRAME_S)
        due = time.monotonic()
        while True:
            frame, self._speech = self._speech[: samples * 2], self._speech[samples * 2 :]
            data = frame.ljust(samples * 2, b"\0")
            self.session.push_audio(rtc.AudioFrame(data, HZ, num_channels=1, samples_per_channel=samples))
            due += FRAME_S
            await asyncio.sleep(due - time.monotonic())

    def _generation(self, event: llm.GenerationCreatedEvent) -> None:
        task = asyncio.create_task(self._play(event))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _play(self, event: llm.GenerationCreatedEvent) -> None:
        async for message in event.message_stream:
            text = asyncio.create_task(self._text(message))
            seconds = 0.0
            async for frame in message.audio_stream:
                if not seconds:
                    self.playing = (message.message_id, time.monotonic())
                    self.audible.set()
                seconds += frame.duration
                self.received_s = seconds
            said = await text
            self.note(f"agent: {said!r}, {seconds:.2f} s of audio")
            self.replies.put_nowait((said, seconds))

    async def _text(self, message: llm.MessageGeneration) -> str:
        return "".join([piece async for piece in message.text_stream])

    def _interrupt(self, event: llm.InputSpeechStartedEvent) -> None:
        self.note("speech started")
        if self.playing is not None:
            item, since = self.playing
            self.playing = None
            played_ms = int(min(time.monotonic() - since, self.received_s) * 1000)
            self.note(f"truncate at {played_ms} ms")
            self.session.truncate(message_id=item, modalities=["audio"], audio_end_ms=played_ms)

    def _transcribed(self, event: llm.InputTranscriptionCompleted) -> None:
        if event.is_final:
            self.note(f"caller: {event.transcript!r}")
            self.transcripts.put_nowait(event.transcript)


async def converse(options: argparse.Namespace) -> None:
    """Talk over the greeting, hear the answer, and type a question."""
    model = openai.realtime.RealtimeModel(base_url=f"{options.url}/v1", api_key=options.key, model=options.agent)
    conversation = Conversation(model.session())
    speaking = asyncio.create_task(conversation.microphone())
    try:
        async with asyncio.timeout(WITHIN_S):
            await conversation.audible.wait()
            conversation.say(RECORDING)
            await conversation.transcripts.get()
            while (reply := await conversation.replies.get())[0] == "":
                pass
            reply = await conversation.replies.get() if "Hello" in reply[0] else reply
            chat = conversation.session.chat_ctx.copy()
            chat.add_message(role="user", content="What time do you open on Friday?")
            await conversation.session.update_chat_ctx(chat)
            conversation.note("typed a question")
            await conversation.session.generate_reply()
            while "Friday" not in (await conversation.replies.get())[0]:
                pass
        for item in conversation.session.chat_ctx.items:
            if item.type == "message":
                conversation.note(f"history: {item.role}: {item.text_content!r}")
        if conversation.errors:
            raise SystemExit(f"errors: {conversation.errors}")
    finally:
        speaking.cancel()
        await conversation.session.aclose()
        await model.aclose()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url", help="of the host, such as http://127.0.0.1:8000")
    parser.add_argument("agent")
    parser.add_argument("--key", default="none")
    asyncio.run(converse(parser.parse_args()))
