import asyncio
import json
import logging
import math
from array import array
from collections.abc import AsyncIterator

import pytest
from websockets.asyncio.client import connect

from tests.simulators import AssemblyAISimulator
from tests.simulators.serving import LOGGER as SIMULATORS
from tests.simulators.waiting import only_tasks
from voice_host.settings import ResilienceSettings
from voice_host.speech.assemblyai.stt.adapter import AssemblyAISpeechToText, AssemblyAIStream, session_url
from voice_host_sdk import (
    ProviderError,
    SpeechEvent,
    SpeechStarted,
    SpeechToText,
    SpeechToTextStream,
    STTConfig,
    Transcript,
)

KEY = "stt-secret-key"


def voice(duration_ms: int, rate: int = 16000) -> bytes:
    return array("h", (int(8000 * math.sin(i / 5)) for i in range(rate * duration_ms // 1000))).tobytes()


def silence(duration_ms: int, rate: int = 16000) -> bytes:
    return bytes(rate * duration_ms // 1000 * 2)


@pytest.fixture
async def simulator() -> AsyncIterator[AssemblyAISimulator]:
    async with AssemblyAISimulator(api_key=KEY) as running:
        yield running
        await running.until(lambda stt: stt.open_connections == 0)


async def open_line(simulator: AssemblyAISimulator, config: STTConfig | None = None) -> AssemblyAIStream:
    return await AssemblyAISpeechToText(KEY, url=simulator.url).open(config or STTConfig())


async def take(line: AssemblyAIStream, count: int) -> list[SpeechEvent]:
    return [await anext(line) for _ in range(count)]


async def failure_of(line: AssemblyAIStream) -> ProviderError:
    with pytest.raises(ProviderError) as failed:
        await asyncio.wait_for(everything(line), 10)
    return failed.value


async def everything(line: AssemblyAIStream) -> list[SpeechEvent]:
    return [event async for event in line]


async def refusal(service: AssemblyAISpeechToText, config: STTConfig | None = None) -> ProviderError:
    with pytest.raises(ProviderError) as refused:
        await service.open(config or STTConfig())
    return refused.value


# --- opening ---


async def test_a_line_is_what_the_sdk_asks_for(simulator: AssemblyAISimulator) -> None:
    service = AssemblyAISpeechToText(KEY, url=simulator.url)
    line = await service.open(STTConfig())
    assert isinstance(service, SpeechToText)
    assert isinstance(line, SpeechToTextStream)
    assert service.name == "assemblyai"
    await line.aclose()
    await service.aclose()


async def test_the_configuration_and_the_raw_key_are_sent(simulator: AssemblyAISimulator) -> None:
    config = STTConfig(
        sample_rate=8000, speech_model="u3-rt-pro", format_turns=False, min_end_of_turn_silence_when_confident=300
    )
    line = await open_line(simulator, config)
    session = await simulator.connected()
    assert session.headers["authorization"] == KEY
    assert "sec-websocket-extensions" not in session.headers
    assert session.query == {
        "sample_rate": "8000",
        "encoding": "pcm_s16le",
        "speech_model": "u3-rt-pro",
        "format_turns": "false",
        "min_turn_silence": "300",
        "max_turn_silence": "1200",
    }
    await line.aclose()


async def test_the_address_of_the_configuration_is_used_where_the_platform_sets_none(
    simulator: AssemblyAISimulator,
) -> None:
    line = await AssemblyAISpeechToText(KEY).open(STTConfig(wss_base=simulator.url))
    assert (await simulator.connected()).begun
    await line.aclose()


def test_parameters_of_the_platforms_address_win() -> None:
    url = session_url("wss://stt.example/v3/ws?speech_model=u3-rt-pro&mode=balanced", STTConfig())
    assert url.startswith("wss://stt.example/v3/ws?sample_rate=16000&")
    assert "speech_model=u3-rt-pro" in url
    assert "mode=balanced" in url
    assert "universal" not in url


@pytest.mark.parametrize("key", ["wrong", f"Bearer {KEY}", "", " \n"])
async def test_a_refused_key_names_the_setting(simulator: AssemblyAISimulator, key: str) -> None:
    error = await refusal(AssemblyAISpeechToText(key, url=simulator.url))
    assert (error.code, error.setting, error.retryable) == ("stt_auth", "ASSEMBLYAI_API_KEY", False)
    assert not key.strip() or key not in error.message


async def test_a_line_break_after_the_key_does_no_harm(simulator: AssemblyAISimulator) -> None:
    line = await AssemblyAISpeechToText(f"{KEY}\n", url=simulator.url).open(STTConfig())
    assert (await simulator.connected()).headers["authorization"] == KEY
    await line.aclose()


async def test_the_old_model_name_is_a_bad_request(simulator: AssemblyAISimulator) -> None:
    error = await refusal(AssemblyAISpeechToText(KEY, url=simulator.url), STTConfig(speech_model="u3-pro"))
    assert (error.code, error.retryable) == ("stt_bad_request", False)
    assert simulator.violations == ["3006: Model u3-pro is not supported"]


@pytest.mark.parametrize(
    ("status", "code"), [(401, "stt_auth"), (404, "stt_bad_request"), (429, "stt_busy"), (503, "stt_unreachable")]
)
async def test_a_refused_upgrade(simulator: AssemblyAISimulator, status: int, code: str) -> None:
    simulator.upgrade_status = status
    assert (await refusal(AssemblyAISpeechToText(KEY, url=simulator.url))).code == code


async def test_a_service_that_is_not_there() -> None:
    error = await refusal(AssemblyAISpeechToText(KEY, url="ws://127.0.0.1:1/v3/ws"))
    assert (error.code, error.retryable) == ("stt_unreachable", True)


async def test_an_address_that_is_none() -> None:
    error = await refusal(AssemblyAISpeechToText(KEY, url="https://127.0.0.1/v3/ws"))
    assert (error.code, error.retryable) == ("stt_bad_request", False)


async def test_a_session_that_never_begins(simulator: AssemblyAISimulator) -> None:
    simulator.begins = False
    error = await refusal(
        AssemblyAISpeechToText(KEY, url=simulator.url, resilience=ResilienceSettings(speech_connect_timeout_s=0.05))
    )
    assert (error.code, error.retryable) == ("stt_timeout", True)


async def test_opening_can_be_cancelled(simulator: AssemblyAISimulator) -> None:
    simulator.begins = False
    before = asyncio.all_tasks()
    opening = asyncio.create_task(open_line(simulator))
    await simulator.until(lambda stt: stt.open_connections == 1)
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening
    await only_tasks(before)
    assert simulator.open_connections == 0


# --- listening ---


async def test_a_turn_becomes_events(simulator: AssemblyAISimulator) -> None:
    line = await open_line(simulator)
    session = await simulator.connected()
    await session.speak_turn("What time?")
    assert await take(line, 3) == [
        SpeechStarted(),
        Transcript("What", confidence=0.0),
        Transcript("What time?", final=True, confidence=1.0),
    ]
    await line.aclose()


async def test_recognition_of_audio_from_onset_to_final(simulator: AssemblyAISimulator) -> None:
    simulator.script.append("What time do you open?")
    line = await open_line(simulator)
    for frame in [voice(500), silence(450)]:
        await line.send_audio(frame)
    assert [event.text if isinstance(event, Transcript) else event for event in await take(line, 4)] == [
        SpeechStarted(),
        "What",
        "What time",
        "What time do you open?",
    ]
    await line.aclose()
    assert simulator.violations == []


async def test_two_finals_of_one_turn_are_one(simulator: AssemblyAISimulator) -> None:
    line = await open_line(simulator, STTConfig(speech_model="universal-streaming-english", format_turns=True))
    session = await simulator.connected()
    await session.final("First turn.")
    await session.final("Second turn.")
    assert await take(line, 2) == [
        Transcript("first turn", final=True, confidence=1.0),
        Transcript("second turn", final=True, confidence=1.0),
    ]
    await line.aclose()


async def test_a_turn_ends_by_end_of_turn_and_an_empty_one_is_none(simulator: AssemblyAISimulator) -> None:
    line = await open_line(simulator)
    session = await simulator.connected()
    turn = {"type": "Turn", "turn_order": 0, "turn_is_formatted": True, "end_of_turn": False, "transcript": "Yes"}
    await session.send(turn)
    await session.send(turn | {"end_of_turn": True, "transcript": " "})
    await session.send(turn | {"end_of_turn": True, "turn_is_formatted": False, "transcript": "yes"})
    await session.send(turn | {"transcript": "a straggler of the same turn"})
    await session.send(turn | {"turn_order": 1, "transcript": "Next"})
    assert await take(line, 3) == [Transcript("Yes"), Transcript("yes", final=True), Transcript("Next")]
    await line.aclose()


@pytest.mark.parametrize(
    "garbage",
    [
        "{not json",
        "[]",
        "null",
        "[" * 100_000,
        b"\xff\x00\xfe",
        '{"type":"Heartbeat"}',
        '{"type":"Warning","warning_code":7,"warning":"x"}',
        '{"type":["Turn"]}',
        '{"type":"Turn"}',
        '{"type":"Turn","turn_order":"1","end_of_turn":true,"transcript":"x"}',
        '{"type":"Turn","turn_order":1,"end_of_turn":true,"transcript":null}',
        '{"type":"Error","error":"no code"}',
        '{"type":"Termination"}',
        '{"type":"Begin"}',
    ],
)
async def test_what_cannot_be_understood_is_skipped(simulator: AssemblyAISimulator, garbage: str | bytes) -> None:
    line = await open_line(simulator)
    session = await simulator.connected()
    await session.send_raw(garbage)
    await session.final("Still here.")
    assert await anext(line) == Transcript("Still here.", final=True, confidence=1.0)
    await line.aclose()


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (1000, "stt_closed"),
        (1001, "stt_closed"),
        (1008, "stt_auth"),
        (1011, "stt_closed"),
        (3005, "stt_failed"),
        (3006, "stt_bad_request"),
        (3007, "stt_audio"),
        (3008, "stt_expired"),
        (3009, "stt_busy"),
    ],
)
async def test_a_close_nobody_asked_for_is_a_failure(simulator: AssemblyAISimulator, code: int, expected: str) -> None:
    line = await open_line(simulator)
    await (await simulator.connected()).close(code)
    assert (await failure_of(line)).code == expected
    with pytest.raises(ProviderError):
        await line.send_audio(silence(100))
    await line.aclose()


async def test_a_connection_that_breaks_is_a_failure(simulator: AssemblyAISimulator) -> None:
    line = await open_line(simulator)
    (await simulator.connected()).drop()
    error = await failure_of(line)
    assert (error.code, error.retryable) == ("stt_closed", True)
    await line.aclose()


async def test_an_error_message_says_why(simulator: AssemblyAISimulator) -> None:
    line = await open_line(simulator)
    await (await simulator.connected()).error(3008, f"{KEY} expired")
    error = await failure_of(line)
    assert (error.code, error.retryable) == ("stt_expired", True)
    assert KEY not in error.message
    assert await failure_of(line) is error
    await line.aclose()


# --- audio ---


@pytest.mark.parametrize("frame_ms", [1, 10, 20, 32, 700])
async def test_frames_of_any_size_reach_the_service_whole(simulator: AssemblyAISimulator, frame_ms: int) -> None:
    line = await open_line(simulator)
    audio = voice(700)
    step = 16 * 2 * frame_ms
    for start in range(0, len(audio), step):
        await line.send_audio(audio[start : start + step])
    await line.aclose()
    session = simulator.sessions[0]
    assert simulator.violations == []
    assert max(session.message_ms) <= 100
    assert bytes(session.audio[: len(audio)]) == audio
    assert not any(session.audio[len(audio) :])


async def test_odd_frames_are_joined(simulator: AssemblyAISimulator) -> None:
    line = await open_line(simulator)
    audio = voice(300)
    for start in range(0, len(audio), 333):
        await line.send_audio(audio[start : start + 333])
    await line.aclose()
    assert simulator.violations == []
    assert bytes(simulator.sessions[0].audio[: len(audio)]) == audio


async def test_a_replay_keeps_to_the_pace_the_service_takes(simulator: AssemblyAISimulator) -> None:
    simulator.burst_ms = 1200
    line = await open_line(simulator)
    await line.send_audio(voice(2500))
    await line.aclose()
    assert simulator.violations == []
    assert len(simulator.sessions[0].audio) == len(voice(2500))


# --- closing ---


async def test_closing_says_goodbye_and_ends_the_iteration(simulator: AssemblyAISimulator) -> None:
    simulator.script.append("Goodbye then")
    line = await open_line(simulator)
    await line.send_audio(voice(400))
    async with asyncio.TaskGroup() as tasks:
        listening = tasks.create_task(everything(line))
        await line.aclose()
        await line.aclose()
    assert listening.result()[-1] == Transcript("Goodbye then", final=True, confidence=1.0), (
        "the turn in flight is delivered"
    )
    session = simulator.sessions[0]
    assert session.messages == [{"type": "Terminate"}]
    await simulator.until(lambda stt: stt.open_connections == 0)
    assert session.close_code == 1000
    await line.send_audio(voice(100))  # dropped
    with pytest.raises(StopAsyncIteration):
        await anext(line)


async def test_closing_does_not_depend_on_a_listener_or_on_the_service(simulator: AssemblyAISimulator) -> None:
    line = await open_line(simulator)
    session = await simulator.connected()
    for count in range(1000):  # more than the connection reads ahead
        await session.partial(f"word {count}")
    await asyncio.gather(line.aclose(), line.aclose())
    await simulator.until(lambda stt: stt.open_connections == 0)
    with pytest.raises(StopAsyncIteration):
        await anext(line)


async def test_closing_can_be_cancelled_and_leaves_nothing(simulator: AssemblyAISimulator) -> None:
    before = asyncio.all_tasks()
    line = await open_line(simulator)
    session = await simulator.connected()
    for count in range(1000):
        await session.partial(f"word {count}")
    closing = asyncio.create_task(line.aclose())
    await asyncio.sleep(0)
    closing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await closing
    await only_tasks(before)
    assert simulator.open_connections == 0


async def test_the_key_is_in_no_log(simulator: AssemblyAISimulator, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    service = AssemblyAISpeechToText(KEY, url=simulator.url)
    line = await service.open(STTConfig())
    await line.aclose()
    logged = [record.getMessage() for record in caplog.records if record.name != SIMULATORS]
    assert not any(KEY in message for message in logged)
    assert KEY not in repr(service) + repr(line)


# --- the simulator is strict ---


@pytest.mark.parametrize(
    ("message", "code"),
    [
        (silence(20), 3007),
        (silence(1001), 3007),
        (silence(100) + b"x", 3007),
        ('{"operation":"clear"}', 3006),
        ('{"type":"Bogus"}', 3006),
        ("nonsense", 3006),
    ],
)
async def test_the_simulator_refuses_what_the_service_refuses(
    simulator: AssemblyAISimulator, message: str | bytes, code: int
) -> None:
    url = session_url(simulator.url, STTConfig())
    async with connect(url, additional_headers={"Authorization": KEY}) as socket:
        assert json.loads(await socket.recv())["type"] == "Begin"
        await socket.send(message)
        error = json.loads(await socket.recv())
        assert (error["type"], error["error_code"]) == ("Error", code)
        await socket.wait_closed()
        assert socket.close_code == code


async def test_the_simulator_refuses_audio_that_is_too_fast(simulator: AssemblyAISimulator) -> None:
    url = session_url(simulator.url, STTConfig())
    async with connect(url, additional_headers={"Authorization": KEY}) as socket:
        for _ in range(8):
            await socket.send(silence(1000))
        await socket.wait_closed()
        assert socket.close_code == 3007
    assert simulator.violations == ["3007: Audio Transmission Rate Exceeded"]


@pytest.mark.parametrize(
    "query",
    ["", "sample_rate=x", "sample_rate=16000&format_turns=maybe", "sample_rate=16000&keyterms_prompt=word"],
)
async def test_the_simulator_refuses_bad_parameters(simulator: AssemblyAISimulator, query: str) -> None:
    async with connect(f"{simulator.url}?{query}", additional_headers={"Authorization": KEY}) as socket:
        assert json.loads(await socket.recv())["error_code"] == 3006
