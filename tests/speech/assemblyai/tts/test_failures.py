import asyncio
import json
import logging
from typing import Any

import pytest
from blockbuster import blockbuster_ctx

from tests.simulators.assemblyai_tts import AssemblyAITTSSimulator, Fault, tone
from tests.simulators.serving import LOGGER as SIMULATORS
from tests.speech.assemblyai.tts.speech import KEY, TEXT, begin, failure_of, listen, say
from voice_host.settings import ResilienceSettings
from voice_host.speech.assemblyai.tts import AssemblyAITextToSpeech, AssemblyAIVoiceStream
from voice_host.speech.assemblyai.tts.messages import read_message
from voice_host.speech.assemblyai.tts.request import Request
from voice_host_sdk import (
    ProviderError,
    TTSConfig,
)

BEFORE_AUDIO = [Fault.CLOSE_BEFORE_AUDIO, Fault.DROP_BEFORE_AUDIO, Fault.ERROR_BEFORE_AUDIO]
MID_AUDIO = [Fault.CLOSE_MID_AUDIO, Fault.DROP_MID_AUDIO, Fault.ERROR_MID_AUDIO]


@pytest.mark.parametrize("fault", BEFORE_AUDIO)
async def test_a_session_that_dies_before_audio_is_replaced_once(
    simulator: AssemblyAITTSSimulator, line: AssemblyAIVoiceStream, fault: Fault
) -> None:
    simulator.faults.append(fault)
    assert await say(line) == tone(1200)
    assert (simulator.spoken, simulator.connections) == ([TEXT] * 2, 2)
    simulator.faults.extend([fault, fault])
    error = await failure_of(line)
    assert (error.code, error.retryable) == ("tts_failed", True)
    assert (len(simulator.spoken), simulator.connections) == (4, 3)
    assert await say(line) == tone(1200)


async def test_what_waits_is_said_again_too(simulator: AssemblyAITTSSimulator, line: AssemblyAIVoiceStream) -> None:
    simulator.faults.append(Fault.DROP_BEFORE_AUDIO)
    first, second = await begin(line), await begin(line, "Second.")
    assert await listen(first) == tone(1200)
    assert await listen(second) == tone(300, pitch=1)
    assert simulator.connections == 2


@pytest.mark.parametrize("fault", MID_AUDIO)
async def test_speech_that_breaks_off_is_a_failure_and_not_said_again(
    simulator: AssemblyAITTSSimulator, line: AssemblyAIVoiceStream, fault: Fault
) -> None:
    simulator.faults.append(fault)
    utterance = await begin(line)
    heard = [await anext(utterance)]
    with pytest.raises(ProviderError) as failed:
        heard += [piece async for piece in utterance]
    assert failed.value.code == "tts_failed"
    assert simulator.spoken == [TEXT]
    with pytest.raises(StopAsyncIteration):
        await anext(utterance)
    assert await say(line) == tone(1200)


async def test_an_error_that_will_not_pass_is_not_tried_again(
    simulator: AssemblyAITTSSimulator, line: AssemblyAIVoiceStream
) -> None:
    simulator.faults.append(Fault.FINAL_ERROR_BEFORE_AUDIO)
    error = await failure_of(line)
    assert (error.code, error.retryable) == ("tts_failed", False)
    assert simulator.spoken == [TEXT]


@pytest.mark.parametrize("fault", [Fault.STALL, Fault.STALL_MID_AUDIO])
async def test_a_stall_is_a_failure_and_costs_the_session(simulator: AssemblyAITTSSimulator, fault: Fault) -> None:
    simulator.faults.append(fault)
    line = await AssemblyAITextToSpeech(
        KEY, url=simulator.url, resilience=ResilienceSettings(voice_silent_after_s=0.2)
    ).open(TTSConfig())
    assert (await failure_of(line)).code == "tts_timeout"
    assert await say(line) == tone(1200)
    assert simulator.connections == 2
    await line.aclose()


async def test_an_utterance_that_waits_for_another_one_is_no_stall(simulator: AssemblyAITTSSimulator) -> None:
    simulator.speed = 2.0
    line = await AssemblyAITextToSpeech(
        KEY, url=simulator.url, resilience=ResilienceSettings(voice_silent_after_s=0.4)
    ).open(TTSConfig())
    first, second = await begin(line), await begin(line)
    assert await asyncio.gather(listen(first), listen(second)) == [tone(1200), tone(1200, pitch=1)]
    await line.aclose()


@pytest.mark.parametrize("code", [1000, 1001, 3008])
async def test_a_session_that_ended_while_idle_is_replaced(
    simulator: AssemblyAITTSSimulator, line: AssemblyAIVoiceStream, code: int
) -> None:
    await say(line)
    await simulator.sessions[0].close(code)
    await simulator.until(lambda tts: tts.open_connections == 0)
    assert await say(line) == tone(1200)
    assert simulator.connections == 2


async def test_a_first_connection_that_failed_is_tried_again(simulator: AssemblyAITTSSimulator) -> None:
    simulator.upgrade_status = 503
    line = await AssemblyAITextToSpeech(KEY, url=simulator.url).open(TTSConfig())
    await simulator.until(lambda tts: tts.refused == 1)
    simulator.upgrade_status = None
    assert await say(line) == tone(1200)
    await line.aclose()


@pytest.mark.parametrize(
    ("status", "code", "retryable"),
    [
        (401, "tts_auth", False),
        (403, "tts_auth", False),
        (404, "tts_bad_request", False),
        (429, "tts_busy", True),
        (503, "tts_unreachable", True),
    ],
)
async def test_a_refused_upgrade(simulator: AssemblyAITTSSimulator, status: int, code: str, retryable: bool) -> None:
    simulator.upgrade_status = status
    line = await AssemblyAITextToSpeech(KEY, url=simulator.url).open(TTSConfig())
    error = await failure_of(line)
    assert (error.code, error.retryable) == (code, retryable)
    assert error.setting == ("ASSEMBLYAI_API_KEY" if code == "tts_auth" else None)
    await line.aclose()


async def test_a_refused_key_names_its_setting_and_is_not_tried_again(simulator: AssemblyAITTSSimulator) -> None:
    line = await AssemblyAITextToSpeech("wrong", url=simulator.url).open(TTSConfig())
    for _ in range(3):
        error = await failure_of(line)
        assert (error.code, error.setting, error.retryable) == ("tts_auth", "ASSEMBLYAI_API_KEY", False)
    assert simulator.connections == 1
    await line.aclose()


async def test_an_empty_key_is_refused_at_once() -> None:
    with pytest.raises(ProviderError) as refused:
        await AssemblyAITextToSpeech(" \n").open(TTSConfig())
    assert refused.value.setting == "ASSEMBLYAI_API_KEY"


async def test_a_voice_that_is_gone_is_a_bad_request(simulator: AssemblyAITTSSimulator) -> None:
    line = await AssemblyAITextToSpeech(KEY, url=simulator.url).open(TTSConfig(voice="aai-nobody"))
    error = await failure_of(line)
    assert (error.code, error.retryable) == ("tts_bad_request", False)
    await line.aclose()


async def test_a_service_that_does_not_begin() -> None:
    async with AssemblyAITTSSimulator(api_key=KEY, begins=False) as silent:
        line = await AssemblyAITextToSpeech(
            KEY, url=silent.url, resilience=ResilienceSettings(speech_connect_timeout_s=0.05)
        ).open(TTSConfig())
        assert (await failure_of(line)).code == "tts_timeout"
        await line.aclose()


async def test_a_service_that_is_not_there() -> None:
    line = await AssemblyAITextToSpeech(KEY, url="ws://127.0.0.1:1/").open(TTSConfig())
    assert (await failure_of(line)).code == "tts_unreachable"
    await line.aclose()


@pytest.mark.parametrize(
    ("message", "code", "retryable"),
    [
        ({"error_code": 1008, "error": "no"}, "tts_auth", False),
        ({"error_code": 1008, "error": "busy", "retryable": True}, "tts_failed", True),
        ({"error_code": 3009, "error": "many", "retryable": True}, "tts_busy", True),
        ({"error_code": 3010, "error": "too fast"}, "tts_failed", False),
        ({"error_code": 3005, "error": "oops", "retryable": False}, "tts_failed", False),
        ({"error_code": 3006, "error": "bad", "retryable": False}, "tts_bad_request", False),
        ({"error": "oops"}, "tts_failed", True),
    ],
)
def test_what_an_error_means(message: dict[str, Any], code: str, retryable: bool) -> None:
    read: Any = read_message(json.dumps({"type": "Error", **message}))
    assert (read.error.code, read.error.retryable) == (code, retryable)


GARBAGE = [
    "{",
    "[]",
    b"\x00\xff",
    "[" * 100_000,
    '{"type":"Audio"}',
    '{"type":"Audio","flush_id":0,"audio":"%"}',
    '{"type":"Audio","flush_id":0,"audio":7}',
    '{"type":"FlushDone","flush_id":"x"}',
    '{"type":"WordBoundaries","flush_id":0,"audio_start_ms":0,"words":[{"word":"x"}]}',
    '{"type":"WordBoundaries","flush_id":0,"audio_start_ms":0,"words":7}',
    '{"type":"Begin","configuration":7}',
    '{"type":"Brand-new"}',
]


async def test_what_cannot_be_understood_is_skipped(
    simulator: AssemblyAITTSSimulator, line: AssemblyAIVoiceStream
) -> None:
    await line.utterance()
    for message in GARBAGE:
        await simulator.sessions[0].send_raw(message)
    assert await say(line) == tone(1200)


async def test_a_session_terminated_unasked_is_replaced(
    simulator: AssemblyAITTSSimulator, line: AssemblyAIVoiceStream
) -> None:
    await line.utterance()
    await simulator.sessions[0].send({"type": "Termination"})
    await simulator.until(lambda tts: tts.open_connections == 0)
    assert await say(line) == tone(1200)


async def test_the_key_is_in_no_log(simulator: AssemblyAITTSSimulator, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    simulator.faults.append(Fault.ERROR_BEFORE_AUDIO)
    service = AssemblyAITextToSpeech(KEY, url=simulator.url)
    line = await service.open(TTSConfig())
    await say(line)
    await line.aclose()
    logged = [record.getMessage() for record in caplog.records if record.name != SIMULATORS]
    assert not any(KEY in message or TEXT in message for message in logged)
    assert KEY not in repr(service) + repr(line)


async def test_nothing_blocks_the_event_loop(simulator: AssemblyAITTSSimulator) -> None:
    with blockbuster_ctx("voice_host.speech"):
        line = await AssemblyAITextToSpeech(KEY, url=simulator.url).open(TTSConfig())
        assert await say(line) == tone(1200)
        await line.aclose()


async def test_a_request_given_up_takes_no_more_audio() -> None:
    request = Request(["x "])
    await request.add_audio(bytes(2**20))
    adding = asyncio.create_task(request.add_audio(b"more"))
    await asyncio.sleep(0)
    assert not adding.done()
    request.abandon()
    await adding
    assert await request.audio() is None
