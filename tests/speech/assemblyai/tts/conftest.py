import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.simulators.assemblyai_tts import AssemblyAITTSSimulator
from tests.simulators.waiting import only_tasks
from tests.speech.assemblyai.tts.speech import KEY
from voice_host.speech.assemblyai.tts import AssemblyAITextToSpeech, AssemblyAIVoiceStream
from voice_host_sdk import (
    TTSConfig,
)


@pytest.fixture
async def simulator() -> AsyncIterator[AssemblyAITTSSimulator]:
    async with AssemblyAITTSSimulator(api_key=KEY) as running:
        yield running
        await running.until(lambda tts: tts.open_connections == 0)


@pytest.fixture
async def line(simulator: AssemblyAITTSSimulator) -> AsyncIterator[AssemblyAIVoiceStream]:
    before = asyncio.all_tasks()
    opened = await AssemblyAITextToSpeech(KEY, url=simulator.url).open(TTSConfig())
    yield opened
    await opened.aclose()
    await only_tasks(before)
