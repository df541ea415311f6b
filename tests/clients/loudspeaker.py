"""A telephone on a loudspeaker: what its caller says, and an echo of what is played to them, as one stream in time."""

from __future__ import annotations

import array
import asyncio

from tests.clients.carrier import Carrier
from voice_host.clients.audio import AudioDecoder, SpeechEncoder
from voice_host.clients.protocol import AudioFormat

HZ = 8000
FRAME = HZ // 50
"""20 ms."""

TELEPHONE = AudioFormat("mulaw", HZ)


class Loudspeaker:
    """Sends the caller's audio, 20 ms at a time, without end.

    Args:
        carrier: of the call.
        gain: of the echo; 0.1 is 20 dB down.
        late_s: how late it is.
    """

    def __init__(self, carrier: Carrier, *, gain: float = 0.1, late_s: float = 0.2) -> None:
        self._carrier = carrier
        self._gain = gain
        self._late_s = late_s
        self._clock = asyncio.get_running_loop().time
        self._began_s = self._clock()
        self._line = array.array("h")  # from the beginning
        self._encode = SpeechEncoder(HZ, TELEPHONE).encode
        self._decode = AudioDecoder(TELEPHONE, HZ).decode
        carrier.on_play = self._play

    def _play(self, mulaw: bytes, at_s: float) -> None:
        samples = array.array("h", self._decode(mulaw))
        self._mix(array.array("h", [int(sample * self._gain) for sample in samples]), at_s + self._late_s)

    def say(self, pcm: bytes) -> float:
        """Let the caller say something now: PCM16 at 8 kHz. Returns how long it takes, in seconds."""
        self._mix(array.array("h", pcm), self._clock())
        return len(pcm) / 2 / HZ

    def _mix(self, samples: array.array[int], at_s: float) -> None:
        begin = int((at_s - self._began_s) * HZ)
        if (missing := begin + len(samples) - len(self._line)) > 0:
            self._line.frombytes(bytes(2 * missing))
        for at, sample in enumerate(samples, begin):
            self._line[at] = max(-32768, min(32767, self._line[at] + sample))

    async def run(self) -> None:
        """Send, in time."""
        sent = 0
        while True:
            sent += FRAME
            await asyncio.sleep(max(0.0, self._began_s + sent / HZ - self._clock()))
            frame = self._line[sent - FRAME : sent].tobytes().ljust(2 * FRAME, b"\0")
            await self._carrier.say(self._encode(frame))
