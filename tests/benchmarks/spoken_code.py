"""A caller's voice that says which turn it is, and is still read after resampling and G.711.

`marked_audio` puts that into the low bits of samples, which no conversion leaves alone. Here a bit is 2 ms of a high or
a low level: 500 bits a second, far below what a telephone carries. A turn begins with 80 ms that name it.
"""

from __future__ import annotations

from dataclasses import dataclass

from tests.benchmarks.workload import MICROPHONE_FRAME_MS, MICROPHONE_RATE

LEVEL = 8192
BIT_MS = 2
BITS_PER_FRAME = MICROPHONE_FRAME_MS // BIT_MS
_SYNC = "11001010"
_TURN_BITS, _SCRIPT_BITS, _STYLE_BITS, _CHECK_BITS = 24, 2, 2, 4
_NAME_BITS = len(_SYNC) + _TURN_BITS + _SCRIPT_BITS + _STYLE_BITS + _CHECK_BITS
_BIT_SAMPLES = MICROPHONE_RATE * BIT_MS // 1000
REST = "10" * (BITS_PER_FRAME // 2)
"""A frame of the voice after the turn was named: a tone of 250 Hz."""


@dataclass(frozen=True, slots=True)
class Voice:
    """A voice that has begun. `turn`, `script` and `style` as in `Mark`; it began `ago_s` seconds ago."""

    turn: int
    script: int
    style: int
    ago_s: float


def spell(turn: int, script: int, style: int) -> list[str]:
    """Return the bits of the frames with which the voice of a turn begins."""
    name = f"{turn:0{_TURN_BITS}b}{script:0{_SCRIPT_BITS}b}{style:0{_STYLE_BITS}b}"
    bits = f"{_SYNC}{name}{_check(name)}"
    return [bits[at : at + BITS_PER_FRAME] for at in range(0, len(bits), BITS_PER_FRAME)]


def _check(name: str) -> str:
    return f"{sum(int(name[at : at + 4], 2) for at in range(0, len(name), 4)) % 16:0{_CHECK_BITS}b}"


class VoiceReader:
    """Finds the beginning of each voice in a stream of PCM16 at the recogniser's rate. Silence is zeros."""

    def __init__(self) -> None:
        self._held = b""
        self._read = False

    def feed(self, pcm: bytes) -> Voice | None:
        """Return the voice that is known now, once. The pieces of a stream are even.

        Raises:
            ValueError: there is a voice that does not name its turn: what the host has sent is not what it was sent.
        """
        if pcm.count(0) == len(pcm):
            self._held, self._read = b"", False
            return None
        if self._read:
            return None
        self._held += pcm
        samples = memoryview(self._held).cast("h")
        onset = next((at for at, sample in enumerate(samples) if sample > LEVEL // 2), len(samples))
        if len(samples) < onset + _NAME_BITS * _BIT_SAMPLES:
            return None
        middles = range(onset + _BIT_SAMPLES // 2, onset + _NAME_BITS * _BIT_SAMPLES, _BIT_SAMPLES)
        bits = "".join("1" if samples[at] > 0 else "0" for at in middles)
        ago_s = (len(samples) - onset) / MICROPHONE_RATE
        self._held, self._read = b"", True
        name = bits[len(_SYNC) : -_CHECK_BITS]
        if not bits.startswith(_SYNC) or _check(name) != bits[-_CHECK_BITS:]:
            raise ValueError(f"no turn is named {bits}")
        turn, rest = int(name[:_TURN_BITS], 2), name[_TURN_BITS:]
        return Voice(turn, int(rest[:_SCRIPT_BITS], 2), int(rest[_SCRIPT_BITS:], 2), ago_s)
