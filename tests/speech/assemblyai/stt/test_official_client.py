"""The official client talks to the simulator: what it understands is what the service says."""

import asyncio
import math
import queue
from array import array
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
from assemblyai.streaming.v3 import (
    Encoding,
    SpeechModel,
    StreamingClient,
    StreamingClientOptions,
    StreamingError,
    StreamingEvents,
    StreamingParameters,
)

from tests.simulators import AssemblyAISimulator

# The official client's own use of websockets; none of ours.
pytestmark = pytest.mark.filterwarnings(r"ignore:connect\(\) must be used as a context manager:DeprecationWarning")

KEY = "official-key"
VOICE = array("h", (int(8000 * math.sin(i / 5)) for i in range(1600))).tobytes()
SILENCE = bytes(3200)


@pytest.fixture
async def simulator() -> AsyncIterator[AssemblyAISimulator]:
    async with AssemblyAISimulator(api_key=KEY) as running:
        yield running


class Recorder:
    """The official client, and what it reported. Its methods block: call them in a thread."""

    def __init__(self, simulator: AssemblyAISimulator, **credentials: str) -> None:
        host = f"ws://{simulator.host}"
        self.client = StreamingClient(StreamingClientOptions(api_host=host, connect_timeout=5, **credentials))
        self.events: list[Any] = []
        self.errors: queue.Queue[StreamingError] = queue.Queue()
        for event in StreamingEvents:
            if event is not StreamingEvents.Error:
                self.client.on(event, lambda _, message: self.events.append(message))
        self.client.on(StreamingEvents.Error, lambda _, error: self.errors.put(error))

    def talk(self, frames: list[bytes], model: SpeechModel = SpeechModel.universal_3_5_pro) -> None:
        self.connect(model)
        self.client.stream(frames)
        self.client.disconnect(terminate=True)

    def connect(self, model: SpeechModel = SpeechModel.universal_3_5_pro) -> None:
        self.client.connect(
            StreamingParameters(
                sample_rate=16000,
                encoding=Encoding.pcm_s16le,
                speech_model=model,
                format_turns=True,
                min_turn_silence=200,
                keyterms_prompt=["voice-host"],
            )
        )

    def fail(self, frames: list[bytes], model: SpeechModel = SpeechModel.universal_3_5_pro) -> int | None:
        """Talk, and return the code of the error that ends it."""
        self.connect(model)
        self.client.stream(frames)
        try:
            return self.errors.get(timeout=10).code
        finally:
            self.client.disconnect()

    @property
    def types(self) -> list[str]:
        return [event.type for event in self.events]


async def test_a_conversation(simulator: AssemblyAISimulator) -> None:
    simulator.script.append("What time?")
    recorder = Recorder(simulator, api_key=KEY)
    await asyncio.to_thread(recorder.talk, [VOICE] * 4 + [SILENCE] * 3)
    assert recorder.types == ["Begin", "SpeechStarted", "Turn", "Turn", "Turn", "Termination"]
    turns = [event for event in recorder.events if event.type == "Turn"]
    assert [(turn.transcript, turn.end_of_turn) for turn in turns] == [
        ("What", False),
        ("What time?", False),
        ("What time?", True),
    ]
    assert [word.text for word in turns[-1].words] == ["What", "time?"]
    assert recorder.errors.empty()
    assert simulator.violations == []
    assert bytes(simulator.sessions[0].audio) == VOICE * 4 + SILENCE * 3


async def test_universal_streaming_sends_a_final_twice(simulator: AssemblyAISimulator) -> None:
    simulator.script.append("What time?")
    recorder = Recorder(simulator, api_key=KEY)
    await asyncio.to_thread(recorder.talk, [VOICE] * 4 + [SILENCE] * 3, SpeechModel.universal_streaming_english)
    finals = [event for event in recorder.events if event.type == "Turn" and event.end_of_turn]
    assert [(turn.turn_order, turn.turn_is_formatted, turn.transcript) for turn in finals] == [
        (0, False, "what time"),
        (0, True, "What time?"),
    ]


async def test_all_its_messages_are_known(simulator: AssemblyAISimulator) -> None:
    simulator.script.append("To be cut short")
    recorder = Recorder(simulator, api_key=KEY)

    def talk() -> None:
        recorder.connect()
        recorder.client.keep_alive()
        recorder.client.stream([VOICE] * 4)
        recorder.client.force_endpoint()
        recorder.client.disconnect(terminate=True)

    await asyncio.to_thread(talk)
    assert [message["type"] for message in simulator.sessions[0].messages] == [
        "KeepAlive",
        "ForceEndpoint",
        "Terminate",
    ]
    assert recorder.events[-2].end_of_turn
    assert simulator.violations == []


async def test_it_is_told_that_its_key_is_wrong(simulator: AssemblyAISimulator) -> None:
    recorder = Recorder(simulator, api_key="wrong")
    assert await asyncio.to_thread(recorder.fail, []) == 1008


async def test_it_is_told_that_its_frames_are_too_short(simulator: AssemblyAISimulator) -> None:
    recorder = Recorder(simulator, api_key=KEY)
    assert await asyncio.to_thread(recorder.fail, [VOICE[:640]]) == 3007


async def test_it_is_told_that_its_model_is_gone(simulator: AssemblyAISimulator) -> None:
    recorder = Recorder(simulator, api_key=KEY)
    assert await asyncio.to_thread(recorder.fail, [], SpeechModel.u3_pro) == 3006


async def test_a_temporary_token_opens_a_session(simulator: AssemblyAISimulator) -> None:
    def get_token() -> str:
        client = StreamingClient(StreamingClientOptions(api_host=simulator.host, api_key=KEY))
        http = client._client
        http._http_client.close()
        # The official client insists on https here; all else about the request is its own.
        http._http_client = httpx2.Client(base_url=f"http://{simulator.host}", headers={"Authorization": KEY})
        with http._http_client:
            return client.create_temporary_token(expires_in_seconds=60)

    token = await asyncio.to_thread(get_token)
    recorder = Recorder(simulator, token=token)
    await asyncio.to_thread(recorder.talk, [SILENCE])
    assert recorder.types == ["Begin", "Termination"]


@pytest.mark.parametrize(("key", "seconds", "status"), [("wrong", 60, 401), (KEY, 0, 400), (KEY, 601, 400)])
async def test_tokens_are_given_with_care(simulator: AssemblyAISimulator, key: str, seconds: int, status: int) -> None:
    async with httpx2.AsyncClient(base_url=f"http://{simulator.host}") as http:
        response = await http.get("/v3/token", params={"expires_in_seconds": seconds}, headers={"Authorization": key})
    assert response.status_code == status
    assert simulator.tokens == set()
