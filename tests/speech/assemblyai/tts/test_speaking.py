import asyncio
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.simulators.assemblyai_tts import AssemblyAITTSSimulator, tone
from tests.simulators.assemblyai_tts_session import MAX_UNBROKEN
from tests.speech.assemblyai.tts.speech import KEY, TEXT, begin, listen, say
from voice_host.settings import load_settings
from voice_host.speech.assemblyai.tts import AssemblyAITextToSpeech, AssemblyAIVoiceStream
from voice_host.speech.assemblyai.tts.request import MAX_TEXT, pieces
from voice_host.speech.select import ProviderConfigError, SpeechServices
from voice_host_sdk import (
    AgentConfig,
    ProviderError,
    TextToSpeech,
    TextToSpeechStream,
    TTSConfig,
    Utterance,
)

# --- speaking ---


async def test_a_line_is_what_the_sdk_asks_for(simulator: AssemblyAITTSSimulator) -> None:
    service = AssemblyAITextToSpeech(KEY, url=simulator.url)
    line = await service.open(TTSConfig())
    utterance = await line.utterance()
    assert isinstance(service, TextToSpeech)
    assert isinstance(line, TextToSpeechStream)
    assert isinstance(utterance, Utterance)
    assert service.name == "assemblyai"
    await line.aclose()
    await service.aclose()


async def test_words_become_audio(simulator: AssemblyAITTSSimulator, line: AssemblyAIVoiceStream) -> None:
    utterance = await line.utterance()
    await utterance.send_text("We open")
    await utterance.send_text(" at  nine. ")
    await utterance.end()
    assert await listen(utterance) == tone(4 * 300)
    assert simulator.spoken == [TEXT]
    assert simulator.sessions[0].types == ["Generate", "Flush"]
    assert simulator.violations == []


async def test_audio_can_be_awaited_before_the_text_has_ended(line: AssemblyAIVoiceStream) -> None:
    utterance = await line.utterance()
    listening = asyncio.create_task(listen(utterance))
    await utterance.send_text(TEXT)
    await utterance.end()
    await utterance.end()
    assert await listening == tone(1200)


async def test_audio_comes_while_it_is_made(simulator: AssemblyAITTSSimulator, line: AssemblyAIVoiceStream) -> None:
    simulator.speed = 5.0
    utterance = await begin(line)
    first = await anext(utterance)
    assert not simulator.requests[0].complete
    assert first.pcm + await listen(utterance) == tone(1200)


async def test_the_session_is_asked_for_in_the_address(simulator: AssemblyAITTSSimulator) -> None:
    service = AssemblyAITextToSpeech(f"{KEY}\n", url=f"{simulator.url}?word_boundaries=false&extra=1")
    line = await service.open(TTSConfig(voice="aai-michael", sample_rate=16000))
    assert await say(line) == tone(1200, 16000)
    session = simulator.sessions[0]
    assert session.query == {
        "voice_id": "aai-michael",
        "sample_rate": "16000",
        "encoding": "pcm_s16le",
        "word_boundaries": "false",
        "extra": "1",
    }
    assert session.headers["authorization"] == KEY
    await line.aclose()


@pytest.mark.parametrize("voice", ["jess", "aria", "aai-", "x aai-jane"])
async def test_an_unknown_voice_becomes_the_default(simulator: AssemblyAITTSSimulator, voice: str) -> None:
    line = await AssemblyAITextToSpeech(KEY, url=simulator.url).open(TTSConfig(voice=voice))
    assert await say(line)
    assert simulator.sessions[0].query["voice_id"] == "aai-jane"
    await line.aclose()


async def test_a_rate_the_service_does_not_have_is_refused() -> None:
    with pytest.raises(ProviderError, match="32000 Hz") as refused:
        await AssemblyAITextToSpeech(KEY).open(TTSConfig(sample_rate=32000))
    assert (refused.value.code, refused.value.retryable) == ("tts_config", False)


async def test_the_line_is_warm_before_it_is_needed(
    simulator: AssemblyAITTSSimulator, line: AssemblyAIVoiceStream
) -> None:
    await simulator.until(lambda tts: bool(tts.sessions) and tts.sessions[0].begun)
    assert await say(line)
    assert simulator.connections == 1


async def test_one_socket_for_all_utterances(simulator: AssemblyAITTSSimulator, line: AssemblyAIVoiceStream) -> None:
    for number in range(4):
        assert await say(line) == tone(1200, pitch=number)
    assert simulator.connections == 1
    assert simulator.spoken == [TEXT] * 4


async def test_utterances_may_be_open_at_once(simulator: AssemblyAITTSSimulator, line: AssemblyAIVoiceStream) -> None:
    first, second = await line.utterance(), await line.utterance()
    await second.send_text("The")
    await first.send_text("First one.")
    await first.end()
    await second.send_text("second one.")
    await second.end()
    assert [await listen(first), await listen(second)] == [tone(600), tone(900, pitch=1)]
    assert simulator.spoken == ["First one.", "The second one."]


@pytest.mark.parametrize("text", ["", "  \n", "… —"])
async def test_an_utterance_with_nothing_to_say_needs_no_service(
    simulator: AssemblyAITTSSimulator, line: AssemblyAIVoiceStream, text: str
) -> None:
    assert await say(line, text) == b""
    assert simulator.requests == []


async def test_no_text_may_follow_the_end(line: AssemblyAIVoiceStream) -> None:
    utterance = await begin(line)
    with pytest.raises(RuntimeError, match="no text may follow"):
        await utterance.send_text("more")
    await utterance.aclose()


async def test_long_text_goes_in_several_messages(
    simulator: AssemblyAITTSSimulator, line: AssemblyAIVoiceStream
) -> None:
    simulator.ms_per_word = 1
    text = " ".join(["wonderful"] * 500)
    assert await say(line, text)
    assert simulator.sessions[0].types == ["Generate"] * 3 + ["Flush"]
    assert simulator.spoken == [text]


@given(st.lists(st.text(st.characters(exclude_categories=["Z", "C"]), min_size=1, max_size=2500), max_size=40))
def test_text_is_cut_between_words_and_none_is_lost(words: list[str]) -> None:
    words = "\n".join(words).split()
    texts = pieces(words)
    assert all(0 < len(text) <= MAX_TEXT for text in texts)
    assert all(len(word) <= MAX_UNBROKEN for text in texts for word in text.split())
    assert "".join("".join(texts).split()) == "".join(words)
    if all(len(word) <= MAX_UNBROKEN - 10 for word in words):
        assert "".join(texts).split() == words


async def test_a_slow_listener_slows_the_service_down(
    simulator: AssemblyAITTSSimulator, line: AssemblyAIVoiceStream
) -> None:
    simulator.ms_per_word = 600_000  # 29 MB a word, far beyond what the buffers of the system hold
    utterance = await begin(line, "Long.")
    await anext(utterance)
    sent, total = 0, len(simulator.requests[0].pcm)
    while len(simulator.requests[0].audio) > sent:  # until it stands still, or everything is sent
        sent = len(simulator.requests[0].audio)
        await asyncio.sleep(0.3)
    assert sent < total / 2
    await utterance.aclose()
    simulator.ms_per_word = 300
    assert await say(line) == tone(1200, pitch=2)


async def test_a_quiet_line_is_kept_alive(simulator: AssemblyAITTSSimulator) -> None:
    line = await AssemblyAITextToSpeech(KEY, url=simulator.url, keep_alive_s=0.01).open(TTSConfig())
    await simulator.until(lambda tts: bool(tts.sessions) and len(tts.sessions[0].messages) >= 3)
    assert set(simulator.sessions[0].types) == {"KeepAlive"}
    assert await say(line) == tone(1200)
    await line.aclose()


# --- chosen by name ---


def named(**environ: str) -> Callable[[], TextToSpeech]:
    settings = load_settings(environ={"VOICE_HOST_PROVIDERS__TEXT_TO_SPEECH": "assemblyai", **environ})
    return lambda: SpeechServices(settings).for_agent(AgentConfig()).tts


async def test_it_is_chosen_by_name(simulator: AssemblyAITTSSimulator) -> None:
    voice = named(ASSEMBLYAI_API_KEY=KEY, VOICE_HOST_ASSEMBLYAI_TTS_WS_URL=simulator.url)()
    assert isinstance(voice, AssemblyAITextToSpeech)
    line = await voice.open(TTSConfig())
    await (await line.utterance()).aclose()
    await line.aclose()
    assert simulator.connections == 1


def test_without_a_key_it_is_not_to_be_had() -> None:
    settings = load_settings(environ={"VOICE_HOST_PROVIDERS__TEXT_TO_SPEECH": "assemblyai"})
    with pytest.raises(ProviderConfigError, match="'assemblyai' needs a key: set ASSEMBLYAI_API_KEY"):
        SpeechServices(settings).for_agent(AgentConfig(speech_to_text="embedded"))
