import asyncio
from typing import Any

import pytest

from tests.simulators.assemblyai_tts import AssemblyAITTSSimulator, Fault, tone
from tests.simulators.waiting import only_tasks
from tests.speech.assemblyai.tts.speech import KEY, TEXT, begin, listen, say
from voice_host.speech.assemblyai.tts import AssemblyAITextToSpeech, AssemblyAIVoiceStream
from voice_host_sdk import (
    ProviderError,
    TTSConfig,
)

# --- cancelling ---


@pytest.mark.parametrize("stale_frames", [0, 8])
async def test_cancelling_stops_the_service_and_keeps_the_socket(
    simulator: AssemblyAITTSSimulator, line: AssemblyAIVoiceStream, stale_frames: int
) -> None:
    simulator.speed, simulator.stale_frames = 2.0, stale_frames
    utterance = await begin(line, "This sentence would take rather long to be spoken to its end, if nobody spoke up.")
    await anext(utterance)
    listening = asyncio.create_task(listen(utterance))
    await utterance.aclose()
    await utterance.aclose()
    await listening
    with pytest.raises(StopAsyncIteration):
        await anext(utterance)
    simulator.speed = None
    assert await say(line) == tone(1200, pitch=2)
    cut_off = simulator.requests[0]
    assert cut_off.cancelled
    assert len(cut_off.audio) < len(cut_off.pcm)
    assert simulator.sessions[0].types.count("Cancel") == 1
    assert simulator.connections == 1
    assert [request.flush_id for request in simulator.requests] == [0, 2]


async def test_audio_of_a_cancelled_request_is_dropped_wherever_it_comes(
    simulator: AssemblyAITTSSimulator, line: AssemblyAIVoiceStream
) -> None:
    simulator.speed = 2.0
    utterance = await begin(line)
    await anext(utterance)
    await utterance.aclose()
    following = await begin(line)
    first = await anext(following)
    stale: dict[str, Any] = {"type": "Audio", "flush_id": 0, "audio": "AAAA"}
    for message in (stale, {**stale, "flush_id": 1}, {**stale, "flush_id": 77}, {"type": "FlushDone", "flush_id": 0}):
        await simulator.sessions[0].send(message)
    assert first.pcm + await listen(following) == tone(1200, pitch=2)


async def test_cancelling_before_the_end_costs_nothing(
    simulator: AssemblyAITTSSimulator, line: AssemblyAIVoiceStream
) -> None:
    utterance = await line.utterance()
    await utterance.send_text("Never said.")
    listening = asyncio.create_task(listen(utterance))
    await utterance.aclose()
    await utterance.end()
    assert await listening == b""
    assert await say(line) == tone(1200)
    assert simulator.sessions[0].types == ["Generate", "Flush"]


async def test_closing_a_complete_utterance_cancels_nothing(
    simulator: AssemblyAITTSSimulator, line: AssemblyAIVoiceStream
) -> None:
    utterance = await begin(line)
    await listen(utterance)
    await utterance.aclose()
    assert await say(line) == tone(1200, pitch=1)
    assert "Cancel" not in simulator.sessions[0].types


async def test_what_stands_behind_a_cancelled_utterance_is_said_all_the_same(
    simulator: AssemblyAITTSSimulator, line: AssemblyAIVoiceStream
) -> None:
    simulator.speed = 5.0
    first = await begin(line, "The first one is cut off.")
    second, third = await begin(line, "Second."), await begin(line, "The third.")
    await anext(first)
    await first.aclose()
    assert await listen(second) == tone(300, pitch=4)
    assert await listen(third) == tone(600, pitch=5)
    assert simulator.spoken == ["The first one is cut off.", "Second.", "The third.", "Second.", "The third."]
    assert [request.cancelled for request in simulator.requests] == [True, True, True, False, False]
    assert simulator.sessions[0].types.count("Cancel") == 1


async def test_cancelling_what_waits_does_not_stop_what_speaks(
    simulator: AssemblyAITTSSimulator, line: AssemblyAIVoiceStream
) -> None:
    simulator.speed = 5.0
    first, second, third = await begin(line), await begin(line, "Second."), await begin(line, "Third.")
    piece = await anext(first)
    await second.aclose()
    assert piece.pcm + await listen(first) == tone(1200)
    assert await listen(third) == tone(300, pitch=2)
    assert "Cancel" not in simulator.sessions[0].types


async def test_a_stalled_service_does_not_hold_up_cancelling(
    simulator: AssemblyAITTSSimulator, line: AssemblyAIVoiceStream
) -> None:
    simulator.faults.append(Fault.STALL)
    utterance = await begin(line)
    listening = asyncio.create_task(listen(utterance))
    await simulator.until(lambda tts: tts.spoken == [TEXT])
    await utterance.aclose()
    assert await listening == b""
    assert await say(line) == tone(1200, pitch=2)


async def test_cancelling_again_and_again_keeps_the_numbers_right(
    simulator: AssemblyAITTSSimulator, line: AssemblyAIVoiceStream
) -> None:
    simulator.stale_frames = 2
    for _ in range(5):
        simulator.speed = 5.0
        utterance = await begin(line)
        await anext(utterance)
        await utterance.aclose()
        await (await begin(line, "Given up at once.")).aclose()
        simulator.speed = None
        heard = await say(line)
        assert heard == simulator.requests[-1].pcm
    assert simulator.connections == 1


# --- closing the line ---


async def test_closing_says_goodbye(simulator: AssemblyAITTSSimulator) -> None:
    line = await AssemblyAITextToSpeech(KEY, url=simulator.url).open(TTSConfig())
    await say(line)
    await asyncio.gather(line.aclose(), line.aclose())
    session = simulator.sessions[0]
    await simulator.until(lambda tts: tts.open_connections == 0)
    assert session.types == ["Generate", "Flush", "Terminate"]
    assert (session.terminated, session.close_code) == (True, 1000)
    with pytest.raises(ProviderError) as refused:
        await line.utterance()
    assert refused.value.code == "tts_failed"


async def test_closing_the_line_ends_what_is_in_flight(simulator: AssemblyAITTSSimulator) -> None:
    before = asyncio.all_tasks()
    simulator.speed = 1.0
    line = await AssemblyAITextToSpeech(KEY, url=simulator.url).open(TTSConfig())
    utterance, waiting = await begin(line), await begin(line)
    await anext(utterance)
    listening = asyncio.gather(listen(utterance), listen(waiting))
    await line.aclose()
    await listening
    await simulator.until(lambda tts: tts.open_connections == 0)
    assert simulator.sessions[0].types[-2:] == ["Cancel", "Terminate"]
    await only_tasks(before)


async def test_closing_can_be_cancelled_and_leaves_nothing(simulator: AssemblyAITTSSimulator) -> None:
    before = asyncio.all_tasks()
    simulator.ms_per_word = 600_000
    line = await AssemblyAITextToSpeech(KEY, url=simulator.url).open(TTSConfig())
    utterance = await begin(line, "Long.")
    await anext(utterance)
    closing = asyncio.create_task(line.aclose())
    await asyncio.sleep(0)
    closing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await closing
    await only_tasks(before)
    assert simulator.open_connections == 0


@pytest.mark.parametrize("upgrades", [True, False])
async def test_closing_while_it_still_connects(upgrades: bool) -> None:
    before = asyncio.all_tasks()
    async with AssemblyAITTSSimulator(api_key=KEY, begins=False) as silent:
        server = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        url = silent.url if upgrades else f"ws://127.0.0.1:{port}/"
        line = await AssemblyAITextToSpeech(KEY, url=url).open(TTSConfig())
        beginning = asyncio.create_task(line.utterance())
        if upgrades:
            await silent.until(lambda tts: tts.connections == 1)
        await line.aclose()
        with pytest.raises(ProviderError):
            await beginning
        server.close()
    await only_tasks(before)


async def test_a_cancelled_beginning_leaves_the_line_usable(
    simulator: AssemblyAITTSSimulator, line: AssemblyAIVoiceStream
) -> None:
    beginning = asyncio.create_task(line.utterance())
    await asyncio.sleep(0)
    beginning.cancel()
    with pytest.raises(asyncio.CancelledError):
        await beginning
    assert await say(line) == tone(1200)
    assert simulator.connections == 1
