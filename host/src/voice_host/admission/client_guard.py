"""What a client sends, held to the limits of a call: what passes, what is dropped, and when it is enough."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from voice_host.admission.call_limits import CallLimits
from voice_host.admission.token_bucket import TokenBucket
from voice_host.clock import now_s

CLOCK_DRIFT = 1.05
"""A client's sound card may run faster than this machine's clock; a real one is within 0.1 %."""

SHORTEST_FRAME_MS = 1
"""A shorter frame is counted as this long: each costs, however little audio is in it."""

TELL_AGAIN_S = 10.0
"""A client that stays over a limit is told again after so long, and not once for each frame."""


@dataclass(frozen=True, slots=True)
class Excess:
    """Something over a limit, which is dropped.

    Attributes:
        limit: the setting's name, for metrics.
        words: for the client.
        tell: whether to tell it now.
        fatal: whether the call is closed.
    """

    limit: str
    words: str
    tell: bool = True
    fatal: bool = False


class ClientGuard:
    """Judges what one client sends.

    Args:
        limits: of the call.
        sample_rate: Hz of the microphone.
        clock: seconds, monotonic.
    """

    def __init__(self, limits: CallLimits, sample_rate: int, clock: Callable[[], float] = now_s) -> None:
        self._limits = limits
        self._clock = clock
        self._shortest_frame = sample_rate * 2 * SHORTEST_FRAME_MS // 1000
        audio_per_s = sample_rate * 2
        self._audio = TokenBucket(CLOCK_DRIFT * audio_per_s, limits.audio_burst_s * audio_per_s, clock)
        self._audio_patience = TokenBucket(audio_per_s / 10, limits.patience_s * audio_per_s, clock)
        per_s = limits.messages_per_s
        self._messages = TokenBucket(per_s, max(1.0, limits.messages_burst_s * per_s), clock)
        self._message_patience = TokenBucket(per_s / 10, limits.patience_s * per_s, clock)
        self._told: dict[str, float] = {}

    def audio(self, size: int) -> Excess | None:
        """Judge a binary frame of so many bytes. None: it may pass."""
        if size > (most := self._limits.max_frame_bytes):
            return Excess("max_frame_bytes", f"A frame may have at most {most} bytes.", fatal=True)
        cost = max(size, self._shortest_frame)
        if self._audio.take(cost):
            return None
        words = "Audio comes faster than real time, and the excess is dropped. Is it sent at `ready.sample_rate`?"
        return self._excess("audio_burst_s", words, fatal=not self._audio_patience.take(cost))

    def message(self, raw: str) -> Excess | None:
        """Judge a text frame before it is read. None: it may pass."""
        if not self._messages.take():
            words = f"More than {self._limits.messages_per_s:g} messages a second: the excess is ignored."
            return self._excess("messages_per_s", words, fatal=not self._message_patience.take())
        if len(raw) > (most := self._limits.max_json_bytes) or len(raw.encode()) > most:
            return Excess("max_json_bytes", f"A text frame may have at most {most} bytes.")
        return None

    def typed(self, text: str) -> Excess | None:
        """Judge a typed turn. None: it may pass."""
        if len(text) > (most := self._limits.max_typed_chars):
            return Excess("max_typed_chars", f"A typed turn may have at most {most} characters.")
        return None

    def _excess(self, limit: str, words: str, *, fatal: bool) -> Excess:
        at_s = self._clock()
        tell = fatal or at_s >= self._told.get(limit, at_s)
        if tell:
            self._told[limit] = at_s + TELL_AGAIN_S
        return Excess(limit, words, tell=tell, fatal=fatal)
