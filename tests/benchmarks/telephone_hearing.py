"""How well embedded speech recognition understands callers on the telephone.

    uv run python -m tests.benchmarks.telephone_hearing [CLIPS]

`CLIPS` is a folder with WAV files (PCM16 mono at 16 kHz) and a `manifest.json` with the `file` and `text` of each;
default: `tests/data`. Each recording goes through a line and is recognised twice: by the model alone, and as in a call,
where speech has to be found first. The latter is tried with eight alignments to the detector's windows, which are up
to chance in a call. Nothing depends on time or chance here. About three minutes.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import soxr

from tests.benchmarks.speech import DATA, HZ, recording
from tests.benchmarks.word_errors import spoken_words, word_errors
from voice_host.clients.audio import AudioDecoder, SpeechEncoder
from voice_host.clients.protocol import AudioFormat, Encoding
from voice_host.speech.embedded.stt.endpointer import WINDOW_BYTES, WINDOW_MS, Draft, Endpointer, Verdict
from voice_host.speech.embedded.stt.moonshine import load_model
from voice_host.speech.embedded.stt.transcript import sounds_complete, words_of
from voice_host.speech.embedded.stt.voice_activity import VoiceActivity

LINE_HZ = 8000
FRAME_BYTES = LINE_HZ // 50
"""20 ms of G.711, which carriers send at a time."""

ALIGNMENTS_MS = range(0, WINDOW_MS, WINDOW_MS // 8)
BEFORE_MS, AFTER_MS = 1000, 1500
"""Silence around a recording."""

DRAFT_WINDOWS = 2
"""How long the model takes for a draft."""

LEVELS_DB = (0, -6, -12, -18)
CUTS_MS = (20, 50, 100, 200)
LEADS_MS = (0, 20, 200, 3000)

Line = Callable[[bytes], bytes]


def at_8_khz(pcm: bytes) -> bytes:
    return _resampled(pcm, HZ, LINE_HZ)


def narrow(pcm: bytes) -> bytes:
    """Return what 8 kHz can carry, without a codec and without the host's resampler."""
    return _resampled(at_8_khz(pcm), LINE_HZ, HZ)


def without_bass(pcm: bytes) -> bytes:
    """Return PCM16 at 8 kHz with nothing but 300 to 3400 Hz, which is less than any real line leaves."""
    samples = np.frombuffer(pcm, dtype="<i2").astype(np.float64)
    spectrum, hz = np.fft.rfft(samples), np.fft.rfftfreq(len(samples), 1 / LINE_HZ)
    spectrum[(hz < 300) | (hz > 3400)] = 0
    return bytes(np.fft.irfft(spectrum, len(samples)).round().clip(-32768, 32767).astype("<i2").tobytes())


def coded(encoding: Encoding, *, bass: bool = True) -> Line:
    """Return a line whose audio the host decodes and resamples as in a call.

    Args:
        encoding: of the line.
        bass: whether it carries what is below 300 Hz.
    """

    def line(pcm: bytes) -> bytes:
        g711, narrow = AudioFormat(encoding, LINE_HZ), at_8_khz(pcm)
        sent = SpeechEncoder(LINE_HZ, g711).encode(narrow if bass else without_bass(narrow))
        decode = AudioDecoder(g711, HZ).decode
        return b"".join(decode(sent[at : at + FRAME_BYTES]) for at in range(0, len(sent), FRAME_BYTES))

    return line


TELEPHONE = coded("mulaw", bass=False)
"""The narrowest line: nothing below 300 Hz. Telephones and networks differ in what they carry there."""

LINES: dict[str, Line] = {
    "as recorded": lambda pcm: pcm,
    "8 kHz, no codec": narrow,
    "mu-law": coded("mulaw"),
    "A-law": coded("alaw"),
    "mu-law, 300 to 3400 Hz": TELEPHONE,
}


def louder(pcm: bytes, gain_db: float) -> bytes:
    """Return PCM16 with another level."""
    samples = np.frombuffer(pcm, dtype="<i2") * 10 ** (gain_db / 20)
    return samples.round().clip(-32768, 32767).astype("<i2").tobytes()


def silence(duration_ms: int) -> bytes:
    return bytes(HZ // 1000 * 2 * duration_ms)


def heard_alone(pcm: bytes) -> str:
    """Return what the model makes of a whole recording."""
    return words_of(load_model().transcribe(pcm))


def heard_in_call(pcm: bytes) -> str:
    """Return the words of all turns that are found in the audio of a call."""
    activity, endpointer = VoiceActivity(), Endpointer()
    parts: list[str] = []
    draft, drafted = "", 0
    for number, at in enumerate(range(0, len(pcm) - WINDOW_BYTES + 1, WINDOW_BYTES)):
        if drafted and number == drafted + DRAFT_WINDOWS and (sounds_complete(draft) or not draft):
            endpointer.draft_is_complete()
        window = activity.analyse(pcm[at : at + WINDOW_BYTES], open_utterance=endpointer.open)
        for step in endpointer.feed(window):
            match step:
                case Draft(segment):
                    draft, drafted = heard_alone(segment), number
                case Verdict.DROP:
                    draft, drafted = "", 0
                case Verdict.KEEP | Verdict.COMMIT:
                    parts.append(draft)
                    draft, drafted = "", 0
    return " ".join(part for part in parts if part)


def variants() -> Iterator[tuple[str, Callable[[bytes], bytes], int]]:
    """Yield what is measured: its name, what becomes of a recording, and the silence before it in ms."""
    for name, line in LINES.items():
        yield name, line, BEFORE_MS
    for gain_db in LEVELS_DB[1:]:
        for name in ("as recorded", "mu-law", "mu-law, 300 to 3400 Hz"):
            yield f"{name}, {gain_db} dB", lambda pcm, name=name, by=gain_db: LINES[name](louder(pcm, by)), BEFORE_MS
    for cut_ms in CUTS_MS:
        cut = len(silence(cut_ms))
        yield f"mu-law, 300 to 3400 Hz, begins {cut_ms} ms late", lambda pcm, cut=cut: TELEPHONE(pcm[cut:]), BEFORE_MS
    for lead_ms in LEADS_MS:
        yield f"mu-law, 300 to 3400 Hz, {lead_ms} ms after the line opens", TELEPHONE, lead_ms


def main(folder: Path) -> None:
    clips = [
        (clip["text"], recording(folder / clip["file"]))
        for clip in json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    ]
    words = sum(len(spoken_words(text)) for text, _ in clips)
    print(f"\nRecordings: {len(clips)} in {folder.name}/, {words} words\n")
    print("| | word errors of the model alone | in a call | recordings of which no word was found |")
    print("| --- | --- | --- | --- |")
    for name, line, lead_ms in variants():
        alone = in_call = lost = 0
        for text, recorded in clips:
            pcm = line(recorded)
            alone += word_errors(text, heard_alone(pcm))
            for shift_ms in ALIGNMENTS_MS:
                heard = heard_in_call(silence(lead_ms + shift_ms) + pcm + silence(AFTER_MS))
                in_call += word_errors(text, heard)
                lost += not heard
        times = len(ALIGNMENTS_MS)
        print(
            f"| {name} | {alone / words:.0%} | {in_call / words / times:.0%} | {lost} of {len(clips) * times} |",
            flush=True,
        )


def _resampled(pcm: bytes, from_hz: int, to_hz: int) -> bytes:
    samples = np.frombuffer(pcm, dtype="<i2").astype(np.float64)
    converted = soxr.resample(samples, from_hz, to_hz, quality="HQ")
    return bytes(converted.round().clip(-32768, 32767).astype("<i2").tobytes())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.telephone_hearing", description=__doc__)
    parser.add_argument("clips", nargs="?", type=Path, default=DATA, help="a folder with recordings and manifest.json")
    main(parser.parse_args().clips)
