"""The tones of telephone keys, for carriers that have no request to send keys. No I/O."""

from __future__ import annotations

import math
import struct
from functools import cache

TONE_MS = 100
"""How long a key sounds. ITU-T Q.24 has receivers recognise 40 ms and more; carriers play about 100 ms."""

GAP_MS = 60
"""The silence after a key. ITU-T Q.24: 40 ms and more."""

PAUSE_MS = 500
"""The pause that `w` stands for."""

TONE_RATE_HZ = 8000
"""The sample rate where the client has none of its own."""

_LOW_HZ = (697, 770, 852, 941)
_HIGH_HZ = (1209, 1336, 1477)
_KEYS = ("123", "456", "789", "*0#")
"""Each row of keys has a low frequency and each column a high one (ITU-T Q.23)."""

_PEAK = 9000
"""Of each of the two tones, of 32767: about -8 dBm0."""


@cache
def tone(key: str, sample_rate: int) -> bytes:
    """Return the tone of a key and the silence after it, or a pause; PCM16.

    Args:
        key: 0 to 9, `*`, `#`, or `w` for a pause.
        sample_rate: Hz.
    """
    if key == "w":
        return bytes(2 * (PAUSE_MS * sample_rate // 1000))
    row = next(index for index, keys in enumerate(_KEYS) if key in keys)
    low, high = (2 * math.pi * hz / sample_rate for hz in (_LOW_HZ[row], _HIGH_HZ[_KEYS[row].index(key)]))
    count = TONE_MS * sample_rate // 1000
    samples = (round(_PEAK * (math.sin(low * at) + math.sin(high * at))) for at in range(count))
    return struct.pack(f"<{count}h", *samples) + bytes(2 * (GAP_MS * sample_rate // 1000))
