"""Recognises telephone keys in mu-law audio at 8 kHz, as a carrier does: by Goertzel's algorithm."""

from __future__ import annotations

import math
from itertools import groupby

from voice_host.clients.audio import AudioDecoder
from voice_host.clients.protocol import AudioFormat

KEYS = {697: "123", 770: "456", 852: "789", 941: "*0#"}
HIGH_HZ = (1209, 1336, 1477)
BLOCK = 160
"""20 ms: tones of 40 ms fill at least one."""


def keys_heard(mulaw: bytes) -> str:
    """Return the keys. Between two of them must be 40 ms or more without a tone."""
    pcm = AudioDecoder(AudioFormat("mulaw", 8000), 8000).decode(mulaw)
    samples = memoryview(pcm).cast("h")
    blocks = [_key(samples[at : at + BLOCK]) for at in range(0, len(samples) - BLOCK + 1, BLOCK)]
    runs = [(key, len(list(run))) for key, run in groupby(blocks)]
    return "".join(key for key, length in runs if key and length >= 2)


def _key(block: memoryview[int]) -> str:
    """Return the key whose two tones have nearly all of the energy of a block; empty: none."""
    total = sum(sample * sample for sample in block) * len(block) / 2
    if total < 1e6 * len(block) * len(block):
        return ""
    low = max(KEYS, key=lambda hz: _energy(block, hz))
    high = max(HIGH_HZ, key=lambda hz: _energy(block, hz))
    if _energy(block, low) + _energy(block, high) < 0.8 * total:
        return ""
    return KEYS[low][HIGH_HZ.index(high)]


def _energy(block: memoryview[int], hz: int) -> float:
    factor = 2 * math.cos(2 * math.pi * hz / 8000)
    before = last = 0.0
    for sample in block:
        before, last = last, sample + factor * last - before
    return before * before + last * last - factor * before * last
