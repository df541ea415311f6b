"""Calls with speech that is recognised and spoken on this machine."""

from __future__ import annotations

import asyncio
import os
import signal
import sys

import pytest

from tests.calls.client import calling
from tests.calls.studio import studio
from tests.speech.embedded.speech import SILENCE_1_S, clip, plain
from voice_host.call import listening
from voice_host.call.listening import STT_LOST_PHRASE
from voice_host.resampler import Resampler
from voice_host.settings import ResilienceSettings, built_in_services, load_settings
from voice_host.speech.embedded.process.client import RemoteRecogniser, RemoteSynthesiser
from voice_host.speech.embedded.stt import EmbeddedSpeechToText
from voice_host.speech.embedded.stt.recogniser import LocalRecogniser
from voice_host.speech.embedded.tts import EmbeddedTextToSpeech
from voice_host.speech.host_process import SpeechAddress
from voice_host.supervisor.speech_process import SpeechProcess
from voice_host_sdk import AgentConfig, ProviderError

pytestmark = pytest.mark.real_time

built_in_services()  # reads folders, which settings do before there is an event loop

WEATHER = clip("whats_the_weather_like.wav")
CARDS = clip("cards_005.wav")  # longer than what is kept before a turn begins
ASKED = "What's the weather like?"


class FullQueue:
    """A recogniser with too much to do, until it is let."""

    def __init__(self) -> None:
        self.full = True
        self.refused: list[int] = []
        self.taken: list[int] = []

    async def warm(self) -> None:
        pass

    async def recognise(self, pcm: bytes) -> str:
        if self.full:
            self.refused.append(len(pcm))
            raise ProviderError("It has too much to do.", code="stt_busy")
        self.taken.append(len(pcm))
        return ASKED

    async def preview(self, pcm: bytes) -> str | None:
        return None

    async def aclose(self) -> None:
        pass


@pytest.mark.fault("stt: the embedded recogniser has too much to do")
@pytest.mark.parametrize("lasts", [False, True])
async def test_a_full_queue_never_ends_in_silence(lasts: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """The turn comes late; if that lasts, the caller is told, though the voice detector hears every try."""
    recogniser = FullQueue()
    for name, value in (("RETRY_FIRST_S", 0.05), ("RETRY_MAX_S", 0.1), ("MAX_REPLAYS", 100)):
        monkeypatch.setattr(listening, name, value)
    patience = ResilienceSettings(stt_tell_after_s=1.0 if lasts else 60)
    async with studio(resilience=patience, ears=EmbeddedSpeechToText(recogniser)) as s:
        s.llm.reply("Fine.")
        async with calling(s.url) as caller:
            await caller.expect("ready")
            speaking = asyncio.create_task(caller.speak(CARDS + SILENCE_1_S))
            if lasts:
                assert (await caller.expect("error"))["code"] == "stt_busy"
                await caller.expect("chat", text=STT_LOST_PHRASE)
            await speaking
            recogniser.full = False
            await caller.expect("turn", text=ASKED)
    assert recogniser.taken[-1] >= max(recogniser.refused), "words were lost"
    assert len(caller.all("error")) == lasts
    assert s.leaks == [[]]


async def test_what_was_heard_of_a_reply_that_was_interrupted_are_its_first_words() -> None:
    """Real speech both ways: the words that were audible are told by the estimated times of words."""
    reply = (
        "On Monday the museum opens at nine in the morning. On Tuesday it is closed for the whole day, and so is the "
        "garden. On Wednesday there is a guided tour of the old town, which begins in front of the station."
    )
    recogniser = LocalRecogniser(1)
    async with studio(AgentConfig(greeting=""), ears=EmbeddedSpeechToText(), voice=EmbeddedTextToSpeech()) as s:
        s.llm.reply(reply)
        s.llm.reply("Fine.")
        async with calling(s.url) as caller:
            await caller.expect("ready")
            await caller.type("When is it open?")
            await caller.expect("audio", count=20)
            await caller.speak(WEATHER + SILENCE_1_S)
            cancelled = await caller.expect("cancelled")
            await caller.expect("turn", text=ASKED)
    said = b"".join(frame["pcm"] for frame in caller.frames[: caller.frames.index(cancelled)] if "pcm" in frame)
    voice = await recogniser.recognise(_at_16_khz(said))
    heard = cancelled["heard"]
    await recogniser.aclose()
    assert reply.startswith(heard)
    assert abs(len(plain(heard).split()) - len(plain(voice).split())) <= 2  # 200 ms of it were not played yet
    assert s.leaks == [[]]


@pytest.mark.skipif(sys.platform != "linux", reason="workers are processes on Linux alone")
@pytest.mark.fault("stt: the host's speech process dies")
async def test_a_call_goes_on_when_the_speech_process_dies(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was said meanwhile is heard once the process is back, and answered in speech."""
    monkeypatch.setattr(listening, "RETRY_FIRST_S", 0.05)
    process = SpeechProcess(load_settings(environ={}).server)
    await process.open()
    assert process.socket_path is not None
    address = SpeechAddress(process.socket_path, "front-desk", process.key_for("front-desk"))
    ears, voice = EmbeddedSpeechToText(RemoteRecogniser(address)), EmbeddedTextToSpeech(RemoteSynthesiser(address))
    async with studio(AgentConfig(greeting=""), ears=ears, voice=voice) as s:
        s.llm.reply("It is sunny.")
        s.llm.reply("It still is.")
        async with calling(s.url) as caller:
            await caller.expect("ready")
            await caller.speak(WEATHER + SILENCE_1_S)
            await caller.expect("turn", text=ASKED)
            await caller.expect("audio")
            before = process.pid
            assert before is not None
            os.kill(before, signal.SIGKILL)
            await caller.speak(WEATHER + SILENCE_1_S)
            await caller.expect("turn", text=ASKED)
            await caller.expect("audio")
    await process.aclose()
    of_services = {"read-speech-stt", "read-speech-tts", "speech-process"}  # they outlive a call
    assert {task.get_name() for [*tasks] in s.leaks for task in tasks} <= of_services


def _at_16_khz(pcm: bytes) -> bytes:
    return Resampler(24_000, 16_000).resample(pcm, last=True)
