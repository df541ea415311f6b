"""How well embedded speech understands and is understood, and how long a caller waits for it.

    uv run python -m tests.benchmarks.speech [CLIPS]

`CLIPS` is a folder with WAV files (PCM16 mono at 16 kHz) and a `manifest.json` with the `file` and `text` of each;
default: `tests/data`. Recordings are sent in real time. Noise is seeded, so that only the machine's speed differs from
run to run. About three minutes.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import time
import wave
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tests.benchmarks.word_errors import spoken_words, word_errors
from voice_host.speech.embedded.stt import EmbeddedSpeechToText
from voice_host.speech.embedded.stt.endpointer import WINDOW_BYTES, WINDOW_MS
from voice_host.speech.embedded.stt.voice_activity import VoiceActivity
from voice_host.speech.embedded.tts import EmbeddedTextToSpeech
from voice_host_sdk import STTConfig, TextToSpeech, Transcript, TTSConfig

DATA = Path(__file__).parents[1] / "data"
HZ = 16_000
SILENCE_S = 1.5

NOISES_DB = (None, 20, 10)
"""Signal-to-noise ratios of pink noise; None: as recorded."""

SENTENCES = (
    "Hello, this is the front desk.",
    "What can I do for you?",
    "We are open from nine to five on weekdays.",
    "A table for four people is free at half past seven.",
    "Could you tell me your name, please?",
    "Your order was shipped yesterday and will arrive on Friday.",
    "I am sorry, I did not understand that.",
    "The weather in London is cloudy with a little rain.",
    "Please hold on while I look that up.",
    "Your appointment with Doctor Smith is confirmed.",
    "Would you like to speak to one of my colleagues?",
    "The parking garage is behind the building, on the left.",
    "That costs twenty-one dollars and fifty cents.",
    "We could not find a reservation under this name.",
    "Is there anything else I can help you with?",
    "You can cancel free of charge until the day before.",
    "The train leaves from platform six in ten minutes.",
    "I have sent you an email with all the details.",
    "The museum is closed on Mondays, except on holidays.",
    "Thank you for calling, and have a nice day.",
)


@dataclass(frozen=True)
class Heard:
    """What came of one recording; times are in ms from the end of the voice."""

    text: str
    turns: int
    draft_ms: float | None
    final_ms: float | None


def recording(path: Path) -> bytes:
    """Return the PCM of a WAV file."""
    with wave.open(str(path)) as wav:
        if (wav.getframerate(), wav.getnchannels(), wav.getsampwidth()) != (HZ, 1, 2):
            raise SystemExit(f"{path} is not PCM16 mono at {HZ} Hz")
        return wav.readframes(wav.getnframes())


def with_pink_noise(pcm: bytes, ratio_db: float, seed: int) -> bytes:
    """Return the audio with noise whose power falls by 3 dB an octave, below the audio's own by `ratio_db`."""
    samples = np.frombuffer(pcm, dtype="<i2").astype(np.float64)
    spectrum = np.fft.rfft(np.random.default_rng(seed).standard_normal(len(samples)))
    spectrum /= np.sqrt(np.maximum(np.fft.rfftfreq(len(samples), 1 / HZ), 20.0))
    noise = np.fft.irfft(spectrum, len(samples))
    loud = np.abs(samples) > 0.02 * np.abs(samples).max()  # the pauses do not count
    noise *= np.sqrt(np.mean(samples[loud] ** 2) / np.mean(noise**2)) / 10 ** (ratio_db / 20)
    return (samples + noise).clip(-32768, 32767).astype("<i2").tobytes()


def end_of_voice_s(pcm: bytes) -> float:
    """Return when the voice ends in a recording, by the detector's own measure."""
    activity = VoiceActivity()
    windows = [pcm[at : at + WINDOW_BYTES] for at in range(0, len(pcm) - WINDOW_BYTES + 1, WINDOW_BYTES)]
    voiced = [n for n, window in enumerate(windows) if activity.analyse(window, open_utterance=True).probability >= 0.5]
    return (voiced[-1] + 1) * WINDOW_MS / 1000 if voiced else 0.0


async def hear(recogniser: EmbeddedSpeechToText, pcm: bytes, voice_ends_s: float) -> Heard:
    """Play a recording to the recogniser in real time, and what follows it."""
    stream = await recogniser.open(STTConfig())
    begun_s = time.perf_counter()
    finals: list[str] = []
    draft_ms = final_ms = None

    async def read() -> None:
        nonlocal draft_ms, final_ms
        async for event in stream:
            since_ms = (time.perf_counter() - begun_s - voice_ends_s) * 1000
            if isinstance(event, Transcript) and event.final:
                finals.append(event.text)
                final_ms = since_ms
            elif isinstance(event, Transcript) and draft_ms is None and since_ms > 0:
                draft_ms = since_ms

    reading = asyncio.create_task(read())
    for at in range(0, len(pcm), 640):
        await asyncio.sleep(begun_s + (at + 640) / 32_000 - time.perf_counter())
        await stream.send_audio(pcm[at : at + 640])
    await asyncio.sleep(0.5)
    await stream.aclose()
    await reading
    return Heard(" ".join(finals), len(finals), draft_ms, final_ms)


async def understanding(folder: Path) -> None:
    """Print the word errors on recordings, and when their words came."""
    clips = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    recogniser = EmbeddedSpeechToText()
    await hear(recogniser, recording(folder / clips[0]["file"]), 0.0)  # loads the model
    print(f"\nRecordings: {len(clips)} in {folder.name}/, one at a time\n")
    print("| | word errors | | turns | end of speech to the draft, ms | to the final transcript, ms: median, max |")
    print("| --- | --- | --- | --- | --- | --- |")
    cpu_s, sound_s = time.process_time(), 0.0
    for ratio_db in NOISES_DB:
        heard: list[tuple[str, Heard]] = []
        for seed, clip in enumerate(clips):
            clean = recording(folder / clip["file"])
            pcm = clean + bytes(int(2 * HZ * SILENCE_S))
            if ratio_db is not None:
                pcm = with_pink_noise(pcm, ratio_db, seed)
            sound_s += len(pcm) / 2 / HZ
            heard.append((clip["text"], await hear(recogniser, pcm, end_of_voice_s(clean))))
        errors = sum(word_errors(text, one.text) for text, one in heard)
        words = sum(len(spoken_words(text)) for text, _ in heard)
        drafts = [one.draft_ms for _, one in heard if one.draft_ms is not None]
        finals = [one.final_ms for _, one in heard if one.final_ms is not None]
        name = "as recorded" if ratio_db is None else f"pink noise, {ratio_db} dB"
        print(
            f"| {name} | {errors} of {words} | {errors / words:.1%} | {sum(one.turns for _, one in heard)} "
            f"| {_median(drafts)} | {_median(finals)}, {max(finals, default=0):.0f} |"
        )
        for text, one in heard:
            if word_errors(text, one.text):
                print(f"<!-- {text!r} was heard as {one.text!r} -->")
    cpu_ms = 1000 * (time.process_time() - cpu_s) / sound_s
    print(f"\nCPU for a second of sound, partial transcripts included: {cpu_ms:.0f} ms")
    await recogniser.aclose()


async def being_understood() -> None:
    """Print how much of what the voice says the recogniser understands."""
    voice, recogniser = EmbeddedTextToSpeech(), EmbeddedSpeechToText()
    await _say(voice, "Hello.")  # loads the model
    first_ms: list[float] = []
    speech: list[bytes] = []
    cpu_s = time.process_time()
    for sentence in SENTENCES:
        began_s = time.perf_counter()
        pcm, audible_s = await _say(voice, sentence)
        first_ms.append((audible_s - began_s) * 1000)
        speech.append(pcm)
    cpu_s = time.process_time() - cpu_s
    speech_s = sum(map(len, speech)) / 2 / HZ
    print(f"\nThe voice: {len(SENTENCES)} sentences, {speech_s:.0f} s of speech\n")
    print("| | |\n| --- | --- |")
    print(f"| text to its first audio, ms: median, max | {_median(first_ms)}, {max(first_ms):.0f} |")
    print(f"| CPU for a second of speech, ms | {1000 * cpu_s / speech_s:.0f} |")
    for ratio_db in NOISES_DB:
        errors = words = 0
        for seed, (sentence, pcm) in enumerate(zip(SENTENCES, speech, strict=True)):
            padded = bytes(HZ) + pcm + bytes(2 * HZ)
            heard = await _heard_at_once(
                recogniser, padded if ratio_db is None else with_pink_noise(padded, ratio_db, seed)
            )
            errors += word_errors(sentence, heard)
            words += len(spoken_words(sentence))
        name = "the voice" if ratio_db is None else f"with pink noise, {ratio_db} dB"
        print(f"| word errors of the recogniser, {name} | {errors} of {words}, {errors / words:.1%} |")
    await voice.aclose()
    await recogniser.aclose()


async def _say(voice: TextToSpeech, text: str) -> tuple[bytes, float]:
    line = await voice.open(TTSConfig(sample_rate=HZ))
    utterance = await line.utterance()
    await utterance.send_text(text)
    await utterance.end()
    pcm, audible_s = b"", 0.0
    async for audio in utterance:
        audible_s = audible_s or time.perf_counter()
        pcm += audio.pcm
    await line.aclose()
    return pcm, audible_s


async def _heard_at_once(recogniser: EmbeddedSpeechToText, pcm: bytes) -> str:
    """Return the words of speech that is not sent in real time."""
    stream = await recogniser.open(STTConfig())
    finals: list[str] = []

    async def read() -> None:
        finals.extend([event.text async for event in stream if isinstance(event, Transcript) and event.final])

    reading = asyncio.create_task(read())
    for at in range(0, len(pcm), 640):
        await stream.send_audio(pcm[at : at + 640])
        await asyncio.sleep(0.002)
    await asyncio.sleep(1.0)
    await stream.aclose()
    await reading
    return " ".join(finals)


def _median(values: Sequence[float]) -> str:
    return f"{statistics.median(values):.0f}" if values else "-"


async def _main(folder: Path) -> None:
    await understanding(folder)
    await being_understood()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.speech", description=__doc__)
    parser.add_argument("clips", nargs="?", type=Path, default=DATA, help="a folder with recordings and manifest.json")
    asyncio.run(_main(parser.parse_args().clips))
