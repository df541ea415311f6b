"""`uv run python -m tests.benchmarks.speech_process`: embedded speech in the host's process for it, and in the own one.

Both recognise the same recording and say the same sentence in turn. Half a minute; prints a table.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections import defaultdict
from collections.abc import Awaitable

from tests.speech.embedded.speech import clip
from voice_host.settings import load_settings
from voice_host.speech.embedded.engines import Recogniser, Synthesiser
from voice_host.speech.embedded.process.client import RemoteRecogniser, RemoteSynthesiser
from voice_host.speech.embedded.stt.recogniser import LocalRecogniser
from voice_host.speech.embedded.tts.synthesiser import LocalSynthesiser
from voice_host.speech.host_process import SpeechAddress
from voice_host.supervisor.speech_process import SpeechProcess

TIMES = 200
RECORDING, SENTENCE = "whats_the_weather_like.wav", "The museum opens at nine."
OWN, OTHER = "in the own process", "in the speech process"
ROWS = ("until both models are loaded", "the first recording", "a recording of 2.0 s", "a sentence of 1.6 s")


async def main() -> None:
    process = SpeechProcess(load_settings(environ={}).server)
    await process.open()
    if process.socket_path is None:
        raise SystemExit("embedded speech does not run on this machine")
    address = SpeechAddress(process.socket_path, "benchmark", process.key_for("benchmark"))
    pairs: dict[str, tuple[Recogniser, Synthesiser]] = {
        OTHER: (RemoteRecogniser(address), RemoteSynthesiser(address)),
        OWN: (LocalRecogniser(), LocalSynthesiser()),
    }
    pcm = clip(RECORDING)
    found: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for where, (recogniser, synthesiser) in pairs.items():
        found[where][ROWS[0]].append(await _ms(_warm(recogniser, synthesiser)))
        found[where][ROWS[1]].append(await _ms(recogniser.recognise(pcm)))
    for _ in range(TIMES):
        for where, (recogniser, synthesiser) in pairs.items():
            found[where][ROWS[2]].append(await _ms(recogniser.recognise(pcm)))
            found[where][ROWS[3]].append(await _ms(_say(synthesiser)))
    for recogniser, synthesiser in pairs.values():
        await recogniser.aclose()
        await synthesiser.aclose()
    await process.aclose()
    print(f"| ms: median (p95) | {OWN} | {OTHER} |\n| --- | --- | --- |")
    for row in ROWS:
        print(f"| {row} | {_cell(found[OWN][row])} | {_cell(found[OTHER][row])} |")


async def _warm(recogniser: Recogniser, synthesiser: Synthesiser) -> None:
    await asyncio.gather(recogniser.warm(), synthesiser.warm())


async def _say(synthesiser: Synthesiser) -> None:
    async for _ in synthesiser.speak(SENTENCE):
        pass


async def _ms(work: Awaitable[object]) -> float:
    began_s = time.perf_counter()
    await work
    return (time.perf_counter() - began_s) * 1000


def _cell(values: list[float]) -> str:
    if len(values) == 1:
        return f"{values[0]:.0f}"
    return f"{statistics.median(values):.1f} ({statistics.quantiles(values, n=20)[-1]:.1f})"


if __name__ == "__main__":
    asyncio.run(main())
