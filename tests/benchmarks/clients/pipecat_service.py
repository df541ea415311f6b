"""A spoken conversation by Pipecat's service for OpenAI Realtime, against a host that runs:

    uv run --no-project --isolated --with "pipecat-ai[openai]" --with websockets \\
        python tests/benchmarks/clients/pipecat_service.py http://127.0.0.1:8000 front-desk

Prints what was said and how the conversation went, and ends with 1 if it did not go to its end. `--key`: an API key.
"""

from __future__ import annotations

import argparse
import asyncio
import time
import wave
from pathlib import Path
from typing import Any

from pipecat.frames.frames import (
    BotStoppedSpeakingFrame,
    EndFrame,
    ErrorFrame,
    Frame,
    InputAudioRawFrame,
    InterruptionFrame,
    LLMRunFrame,
    TranscriptionFrame,
    TTSAudioRawFrame,
    TTSTextFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import LLMContextAggregatorPair
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.services.openai.realtime.llm import OpenAIRealtimeLLMService
from pipecat.workers.runner import WorkerRunner

RECORDING = Path(__file__).parents[2] / "data" / "whats_the_weather_like.wav"
FRAME_S = 0.02
HZ = 16_000
WITHIN_S = 60.0


class Ears(FrameProcessor):
    """Notes what the caller hears and what was understood."""

    def __init__(self) -> None:
        super().__init__()
        self.begun = time.monotonic()
        self.audible = asyncio.Event()
        self.transcribed = asyncio.Event()
        self.answered = asyncio.Event()
        self.interrupted = 0
        self.errors: list[str] = []
        self._text = ""
        self._seconds = 0.0

    def note(self, text: str) -> None:
        print(f"{time.monotonic() - self.begun:6.2f} s  {text}")

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        match frame:
            case TTSAudioRawFrame():
                self._seconds += len(frame.audio) / frame.sample_rate / 2
                self.audible.set()
            case TTSTextFrame():
                self._text += frame.text
            case InterruptionFrame():
                self.interrupted += 1
                self.flush("interrupted")
        if type(frame).__name__ == "TTSStoppedFrame":
            if self.flush("agent") and self.transcribed.is_set():
                self.answered.set()
            await self.push_frame(BotStoppedSpeakingFrame(), FrameDirection.UPSTREAM)
        await self.push_frame(frame, direction)

    def flush(self, what: str) -> bool:
        said, seconds, self._text, self._seconds = self._text, self._seconds, "", 0.0
        if said:
            self.note(f"{what}: {said!r}, {seconds:.2f} s of audio")
        return bool(said)


class Transcripts(FrameProcessor):
    """Before the service, which sends transcripts and errors upstream."""

    def __init__(self, ears: Ears) -> None:
        super().__init__()
        self._ears = ears

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        match frame:
            case TranscriptionFrame():
                self._ears.note(f"caller: {frame.text!r}")
                self._ears.transcribed.set()
            case ErrorFrame():
                self._ears.errors.append(frame.error)
        await self.push_frame(frame, direction)


async def microphone(worker: PipelineWorker, audible: asyncio.Event) -> None:
    """Send the recording once the agent is audible, and silence otherwise, in real time."""
    with wave.open(str(RECORDING)) as file:
        assert file.getframerate() == HZ
        recording = file.readframes(file.getnframes())
    size, due = round(HZ * FRAME_S) * 2, time.monotonic()
    while True:
        data = b""
        if audible.is_set():
            data, recording = recording[:size], recording[size:]
        frame = InputAudioRawFrame(audio=data.ljust(size, b"\0"), sample_rate=HZ, num_channels=1)
        await worker.queue_frame(frame)
        due += FRAME_S
        await asyncio.sleep(due - time.monotonic())


async def converse(options: argparse.Namespace) -> None:
    """Talk over the greeting, and hear the answer."""
    address = options.url.replace("http", "ws", 1)
    llm = OpenAIRealtimeLLMService(
        api_key=options.key,
        base_url=f"{address}/v1/realtime",
        settings=OpenAIRealtimeLLMService.Settings(model=options.agent),
    )
    context = LLMContext()
    user, assistant = LLMContextAggregatorPair(context)
    ears = Ears()
    pipeline = Pipeline([user, Transcripts(ears), llm, ears, assistant])
    worker = PipelineWorker(pipeline, cancel_on_idle_timeout=False, params=PipelineParams(audio_in_sample_rate=HZ))
    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(worker)

    async def talk() -> Any:
        await worker.queue_frame(LLMRunFrame())
        speaking = asyncio.create_task(microphone(worker, ears.audible))
        try:
            async with asyncio.timeout(WITHIN_S):
                await ears.answered.wait()
        finally:
            speaking.cancel()
            await worker.queue_frame(EndFrame())

    await asyncio.gather(runner.run(), talk())
    for message in context.get_messages():
        ears.note(f"history: {message}")
    ears.note(f"interruptions: {ears.interrupted}")
    if ears.errors:
        raise SystemExit(f"errors: {ears.errors}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url", help="of the host, such as http://127.0.0.1:8000")
    parser.add_argument("agent")
    parser.add_argument("--key", default="none")
    asyncio.run(converse(parser.parse_args()))
