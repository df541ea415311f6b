import asyncio
import logging
from array import array
from collections.abc import AsyncIterator
from itertools import pairwise

import pytest
from blockbuster import blockbuster_ctx

from tests.simulators import AssemblyAISimulator, Fault, OrpheusSimulator
from tests.simulators.orpheus import tone
from tests.simulators.serving import LOGGER as SIMULATORS
from tests.simulators.waiting import only_tasks
from voice_host.settings import ResilienceSettings
from voice_host.speech.assemblyai.stt import AssemblyAISpeechToText
from voice_host.speech.orpheus.adapter import OrpheusStream, OrpheusTextToSpeech
from voice_host.speech.orpheus.utterance import OrpheusUtterance
from voice_host_sdk import (
    ProviderError,
    STTConfig,
    TextToSpeech,
    TextToSpeechStream,
    TTSConfig,
    Utterance,
)

KEY = "tts-secret-key"
TEXT = "We open at nine."


@pytest.fixture
async def simulator() -> AsyncIterator[OrpheusSimulator]:
    async with OrpheusSimulator(api_key=KEY) as running:
        yield running
        await running.until(lambda tts: tts.open_connections == 0)


@pytest.fixture
async def line(simulator: OrpheusSimulator) -> AsyncIterator[OrpheusStream]:
    before = asyncio.all_tasks()
    opened = await OrpheusTextToSpeech(KEY, url=simulator.url).open(TTSConfig())
    yield opened
    await opened.aclose()
    await only_tasks(before)


async def listen(utterance: OrpheusUtterance) -> bytes:
    async with asyncio.timeout(20):
        audio = b"".join([piece.pcm async for piece in utterance])
    await utterance.aclose()
    return audio


async def say(line: OrpheusStream, text: str) -> bytes:
    utterance = await line.utterance()
    await utterance.send_text(text)
    await utterance.end()
    return await listen(utterance)


async def failure_of(line: OrpheusStream, text: str = TEXT) -> ProviderError:
    with pytest.raises(ProviderError) as failed:
        await say(line, text)
    return failed.value


# --- speaking ---


async def test_a_line_is_what_the_sdk_asks_for(simulator: OrpheusSimulator) -> None:
    service = OrpheusTextToSpeech(KEY, url=simulator.url)
    line = await service.open(TTSConfig())
    utterance = await line.utterance()
    assert isinstance(service, TextToSpeech)
    assert isinstance(line, TextToSpeechStream)
    assert isinstance(utterance, Utterance)
    assert service.name == "orpheus"
    await line.aclose()
    await service.aclose()


async def test_words_become_audio(simulator: OrpheusSimulator, line: OrpheusStream) -> None:
    utterance = await line.utterance()
    await utterance.send_text("We open")
    await utterance.send_text(" at  nine. ")
    await utterance.end()
    assert await listen(utterance) == tone(4 * 300)
    heard = simulator.utterances[0]
    assert heard.words == ["We", "open", "at", "nine."]
    await simulator.until(lambda _: heard.complete)
    assert simulator.violations == []


async def test_the_configuration_comes_first(simulator: OrpheusSimulator) -> None:
    config = TTSConfig(voice="zoe", max_tokens=500, buffer_size=9, repetition_penalty=1.1, temperature=0.5, top_p=0.8)
    line = await OrpheusTextToSpeech(f"{KEY}\n").open(config.model_copy(update={"wss_url": simulator.url}))
    await say(line, TEXT)
    assert simulator.utterances[0].config == {
        "voice": "zoe",
        "max_tokens": 500,
        "buffer_size": 9,
        "repetition_penalty": 1.1,
        "temperature": 0.5,
        "top_p": 0.8,
    }
    await line.aclose()


async def test_an_unknown_voice_becomes_the_default(simulator: OrpheusSimulator) -> None:
    line = await OrpheusTextToSpeech(KEY, url=simulator.url).open(TTSConfig(voice="aria"))
    assert await say(line, TEXT)
    assert simulator.utterances[0].config["voice"] == "jess"
    await line.aclose()


async def test_audio_comes_before_the_text_has_ended(simulator: OrpheusSimulator, line: OrpheusStream) -> None:
    utterance = await line.utterance()
    await utterance.send_text("One sentence is enough.")
    first = await anext(utterance)
    await utterance.send_text("And more.")
    await utterance.end()
    assert first.pcm + await listen(utterance) == tone(4 * 300) + tone(2 * 300)
    assert simulator.spoken == ["One sentence is enough. And more."]


async def test_pieces_are_whole_samples_though_frames_are_not(line: OrpheusStream) -> None:
    utterance = await line.utterance()
    await utterance.send_text(TEXT)
    await utterance.end()
    pieces = [piece.pcm async for piece in utterance]
    assert len(pieces) > 5
    assert all(len(pcm) % 2 == 0 for pcm in pieces)
    await utterance.aclose()


async def test_one_socket_for_each_utterance_and_one_ahead(simulator: OrpheusSimulator, line: OrpheusStream) -> None:
    await simulator.until(lambda tts: tts.idle_connections == 1)
    for count in range(1, 4):
        assert await say(line, TEXT)
        await simulator.until(lambda tts, count=count: tts.connections == count + 1 and tts.idle_connections == 1)
    assert simulator.spoken == [TEXT] * 3
    assert simulator.connections == 4


async def test_the_next_utterance_may_begin_while_one_speaks(simulator: OrpheusSimulator, line: OrpheusStream) -> None:
    first, second = await line.utterance(), await line.utterance()
    for utterance, text in ((first, "First one."), (second, "The second.")):
        await utterance.send_text(text)
        await utterance.end()
    assert [await listen(first), await listen(second)] == [tone(600), tone(600)]
    assert sorted(simulator.spoken) == ["First one.", "The second."]


async def test_the_end_marker_as_a_word_does_not_end_the_utterance(
    simulator: OrpheusSimulator, line: OrpheusStream
) -> None:
    assert await say(line, "Say __END__ now.") == tone(900)
    assert simulator.spoken == ["Say END now."]


@pytest.mark.parametrize("text", ["", "  \n", "… —"])
async def test_an_utterance_with_nothing_to_say_is_complete(line: OrpheusStream, text: str) -> None:
    utterance = await line.utterance()
    listening = asyncio.create_task(listen(utterance))
    await utterance.send_text(text)
    await utterance.end()
    await listening
    assert await say(line, TEXT) == tone(1200)


async def test_an_empty_utterance_does_not_need_the_service(simulator: OrpheusSimulator, line: OrpheusStream) -> None:
    simulator.faults.append(Fault.STALL)
    assert await say(line, "") == b""


async def test_no_text_may_follow_the_end(line: OrpheusStream) -> None:
    utterance = await line.utterance()
    await utterance.end()
    with pytest.raises(RuntimeError, match="no text may follow"):
        await utterance.send_text("more")
    await utterance.aclose()


@pytest.mark.fault("voice: floods")
async def test_a_slow_listener_slows_the_service_down(simulator: OrpheusSimulator, line: OrpheusStream) -> None:
    simulator.ms_per_word = 600_000  # 29 MB a word, far beyond what the buffers of the system hold
    utterance = await line.utterance()
    await utterance.send_text("Long.")
    await utterance.end()
    await anext(utterance)
    sent, total = 0, len(tone(600_000))
    while len(simulator.utterances[0].audio) > sent:  # until it stands still, or everything is sent
        sent = len(simulator.utterances[0].audio)
        await asyncio.sleep(0.3)
    assert sent < total / 2
    await utterance.aclose()


# --- another sample rate ---


async def test_another_rate_is_resampled(simulator: OrpheusSimulator) -> None:
    line = await OrpheusTextToSpeech(KEY, url=simulator.url).open(TTSConfig(sample_rate=16000))
    samples = array("h", await say(line, TEXT))
    assert len(samples) == pytest.approx(1200 * 16, abs=2)
    crossings = sum(a < 0 <= b for a, b in pairwise(samples))
    assert crossings == pytest.approx(480 * 1.2, rel=0.02)
    await line.aclose()


# --- cancelling ---


async def test_cancelling_hangs_up(simulator: OrpheusSimulator, line: OrpheusStream) -> None:
    simulator.speed = 2.0
    utterance = await line.utterance()
    await utterance.send_text("This sentence would take rather long to be spoken to its end, if nobody spoke up.")
    await anext(utterance)
    listening = asyncio.create_task(listen(utterance))
    await utterance.aclose()
    await listening
    with pytest.raises(StopAsyncIteration):
        await anext(utterance)
    await utterance.send_text("dropped")
    await utterance.end()
    await utterance.aclose()
    await simulator.until(lambda tts: not tts.utterances[0].open)
    assert not simulator.utterances[0].complete
    assert "dropped" not in simulator.utterances[0].words
    simulator.speed = None
    assert await say(line, TEXT) == tone(1200)


async def test_a_stalled_service_does_not_hold_up_cancelling(simulator: OrpheusSimulator, line: OrpheusStream) -> None:
    simulator.faults.append(Fault.STALL)
    utterance = await line.utterance()
    await utterance.send_text(TEXT)
    await utterance.end()
    listening = asyncio.create_task(listen(utterance))
    await simulator.until(lambda tts: tts.spoken == [TEXT])
    await utterance.aclose()
    assert await listening == b""


async def test_closing_the_line_ends_what_is_in_flight(simulator: OrpheusSimulator) -> None:
    simulator.speed = 1.0
    line = await OrpheusTextToSpeech(KEY, url=simulator.url).open(TTSConfig())
    utterance = await line.utterance()
    await utterance.send_text(TEXT)
    await anext(utterance)
    listening = asyncio.create_task(listen(utterance))
    await asyncio.gather(line.aclose(), line.aclose())
    await listening
    await simulator.until(lambda tts: tts.open_connections == 0)
    with pytest.raises(ProviderError) as refused:
        await line.utterance()
    assert refused.value.code == "tts_failed"


async def test_closing_the_line_can_be_cancelled_and_leaves_nothing(simulator: OrpheusSimulator) -> None:
    before = asyncio.all_tasks()
    simulator.ms_per_word = 600_000
    line = await OrpheusTextToSpeech(KEY, url=simulator.url).open(TTSConfig())
    utterance = await line.utterance()
    await utterance.send_text("Long.")
    await anext(utterance)
    closing = asyncio.create_task(line.aclose())
    await asyncio.sleep(0)
    closing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await closing
    await only_tasks(before)
    assert simulator.open_connections == 0


async def test_closing_while_still_connecting() -> None:
    arrived = asyncio.Event()

    async def never_answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        arrived.set()
        await reader.read()  # until the client hangs up
        writer.close()

    server = await asyncio.start_server(never_answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    line = await OrpheusTextToSpeech(KEY, url=f"ws://127.0.0.1:{port}/").open(TTSConfig())
    beginning = asyncio.create_task(line.utterance())
    await arrived.wait()
    await line.aclose()
    with pytest.raises(ProviderError):
        await beginning
    server.close()
    await server.wait_closed()


async def test_a_cancelled_beginning_leaves_the_reserve(simulator: OrpheusSimulator, line: OrpheusStream) -> None:
    beginning = asyncio.create_task(line.utterance())
    await asyncio.sleep(0)
    beginning.cancel()
    with pytest.raises(asyncio.CancelledError):
        await beginning
    assert await say(line, TEXT) == tone(1200)
    await simulator.until(lambda tts: tts.connections == 2)


# --- when things go wrong ---


@pytest.mark.parametrize(
    "fault",
    [Fault.CLOSE_BEFORE_AUDIO, Fault.FAIL_BEFORE_AUDIO, Fault.DROP_BEFORE_AUDIO, Fault.FAIL_WITHIN_SAMPLE],
)
async def test_a_socket_that_dies_before_audio_is_replaced_once(
    simulator: OrpheusSimulator, line: OrpheusStream, fault: Fault
) -> None:
    simulator.faults.extend([fault])
    assert await say(line, TEXT) == tone(1200)
    assert simulator.spoken == [TEXT, TEXT]
    simulator.faults.extend([fault, fault])
    error = await failure_of(line)
    assert (error.code, error.retryable) == ("tts_failed", True)
    assert len(simulator.spoken) == 4


async def test_words_sent_after_the_socket_died_are_said_too(simulator: OrpheusSimulator, line: OrpheusStream) -> None:
    simulator.faults.append(Fault.FAIL_BEFORE_AUDIO)
    utterance = await line.utterance()
    await utterance.send_text("We open.")
    await simulator.until(lambda tts: bool(tts.utterances) and not tts.utterances[0].open)
    await utterance.send_text("Not today.")
    await utterance.end()
    assert await listen(utterance) == tone(600) * 2
    assert simulator.spoken[1] == "We open. Not today."


@pytest.mark.parametrize("fault", [Fault.FAIL_MID_AUDIO, Fault.DROP_MID_AUDIO])
async def test_speech_that_breaks_off_is_a_failure_and_not_said_again(
    simulator: OrpheusSimulator, line: OrpheusStream, fault: Fault
) -> None:
    simulator.faults.append(fault)
    assert (await failure_of(line)).code == "tts_failed"
    assert simulator.spoken == [TEXT]


@pytest.mark.parametrize("fault", [Fault.STALL, Fault.STALL_MID_AUDIO])
async def test_a_stall_is_a_failure(simulator: OrpheusSimulator, fault: Fault) -> None:
    simulator.faults.append(fault)
    line = await OrpheusTextToSpeech(
        KEY, url=simulator.url, resilience=ResilienceSettings(voice_silent_after_s=0.2)
    ).open(TTSConfig())
    assert (await failure_of(line)).code == "tts_timeout"
    await line.aclose()


async def test_a_stall_shows_to_a_listener_that_waits_when_the_text_ends(simulator: OrpheusSimulator) -> None:
    simulator.faults.append(Fault.STALL)
    line = await OrpheusTextToSpeech(
        KEY, url=simulator.url, resilience=ResilienceSettings(voice_silent_after_s=0.2)
    ).open(TTSConfig())
    utterance = await line.utterance()
    listening = asyncio.create_task(listen(utterance))
    await utterance.send_text(TEXT)
    await simulator.until(lambda tts: tts.spoken == [TEXT])
    await utterance.end()
    with pytest.raises(ProviderError):
        await listening
    await line.aclose()


async def test_a_reserve_that_died_is_replaced(simulator: OrpheusSimulator, line: OrpheusStream) -> None:
    await simulator.until(lambda tts: tts.idle_connections == 1)
    await simulator.close_idle()
    await simulator.until(lambda tts: tts.open_connections == 0)
    assert await say(line, TEXT) == tone(1200)


async def test_a_reserve_that_failed_shows_only_when_it_is_needed(simulator: OrpheusSimulator) -> None:
    simulator.upgrade_status = 503
    line = await OrpheusTextToSpeech(KEY, url=simulator.url).open(TTSConfig())
    await simulator.until(lambda tts: tts.refused == 1)
    simulator.upgrade_status = None
    assert await say(line, TEXT) == tone(1200)
    await line.aclose()


async def test_a_service_that_is_not_there() -> None:
    line = await OrpheusTextToSpeech(KEY, url="ws://127.0.0.1:1/").open(TTSConfig())
    error = await failure_of(line)
    assert (error.code, error.retryable) == ("tts_unreachable", True)
    await line.aclose()


@pytest.mark.parametrize("status", [401, 403])
async def test_a_refused_key_names_the_setting(simulator: OrpheusSimulator, status: int) -> None:
    simulator.upgrade_status = status
    line = await OrpheusTextToSpeech(KEY, url=simulator.url).open(TTSConfig())
    error = await failure_of(line)
    assert (error.code, error.setting, error.retryable) == ("tts_auth", "ASSEMBLYAI_TTS_API_KEY", False)
    await line.aclose()


async def test_an_unused_line_may_have_failed(simulator: OrpheusSimulator) -> None:
    line = await OrpheusTextToSpeech("wrong", url=simulator.url).open(TTSConfig())
    await simulator.until(lambda tts: tts.refused == 1)
    await line.aclose()
    assert simulator.connections == 0


async def test_the_key_is_in_no_log(simulator: OrpheusSimulator, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    service = OrpheusTextToSpeech(KEY, url=simulator.url)
    line = await service.open(TTSConfig())
    await say(line, TEXT)
    await line.aclose()
    logged = [record.getMessage() for record in caplog.records if record.name != SIMULATORS]
    assert not any(KEY in message for message in logged)
    assert KEY not in repr(service) + repr(line)


async def test_nothing_blocks_the_event_loop(simulator: OrpheusSimulator) -> None:
    async with AssemblyAISimulator(api_key=KEY) as recogniser:
        with blockbuster_ctx("voice_host.speech"):
            listener = await AssemblyAISpeechToText(KEY, url=recogniser.url).open(STTConfig())
            voice = await OrpheusTextToSpeech(KEY, url=simulator.url).open(TTSConfig(sample_rate=16000))
            await listener.send_audio(bytes(3200))
            await (await recogniser.connected()).final("Hello.")
            await anext(listener)
            assert await say(voice, TEXT)
            await voice.aclose()
            await listener.aclose()
