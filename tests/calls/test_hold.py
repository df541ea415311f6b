"""Clients that pause at the onset of a barge-in: what is reported of it."""

from __future__ import annotations

import asyncio

import pytest

from tests.calls.client import calling
from tests.calls.studio import studio


@pytest.mark.parametrize(("pauses", "silent_after_ms"), [(True, 0), (False, 180)])
async def test_how_long_the_agent_was_heard_over_the_caller(pauses: bool, silent_after_ms: int) -> None:
    async with studio(ms_per_word=300) as s:
        s.llm.reply("One two three four five six seven eight nine ten.")
        s.llm.reply("Fine.")
        async with calling(s.url) as caller:
            ears = await s.stt.connected()
            await ears.final("Count")
            await caller.expect("audio")
            began_s = asyncio.get_running_loop().time()
            await asyncio.sleep(1)
            await ears.speech_started()
            await caller.expect("hold", reply=1)
            if pauses:
                played_ms = 1000 * (asyncio.get_running_loop().time() - began_s)
                await caller.send("playback", reply=1, played_ms=played_ms, held=True)
                await caller.send("ping")
                await caller.expect("pong")  # the report was read
            await ears.partial("Stop please now")
            stages = (await caller.expect("metrics", reply=1))["stages_ms"]
            assert stages["barge_in_to_silence"] == pytest.approx(silent_after_ms, abs=25)
