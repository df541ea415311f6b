"""Holds what a client sends to the limits of a call: what passes, what is dropped, and when the call is closed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from voice_host.admission.rates import TokenBucket
from voice_host.clock import now_s
from voice_host.settings import LimitsSettings

CLOCK_DRIFT = 1.05
"""A client's sound card may run faster than this machine's clock; a real one is within 0.1 %."""

AUDIO_BURST_S = 10.0
"""Audio that may come faster than real time: what a network holds back in a stall, and what the microphone buffer keeps
(`resilience.microphone_buffer_s`). The excess is dropped."""

MESSAGES_BURST_S = 3.0
"""The messages of so many seconds may come at once: after a stall of the network they do."""

PATIENCE_S = 60.0
"""So many seconds' worth of messages or audio may be over their limit in a row; then the call is closed. No client does
that by mistake: one that plays a file as fast as it can is dropped to real time long before."""

SHORTEST_FRAME_MS = 1
"""A shorter frame is counted as this long: each costs, however little audio is in it."""

NOTIFY_AGAIN_S = 10.0
"""A client that stays over a limit is told again after so long, and not once for each frame."""


@dataclass(frozen=True, slots=True)
class Violation:
    """Something over a limit, which is dropped.

    Attributes:
        limit: its name, for metrics.
        message: for the client.
        notify: whether to tell the client now.
        fatal: whether the call is closed.
    """

    limit: str
    message: str
    notify: bool = True
    fatal: bool = False


class ClientGuard:
    """Judges what one client sends.

    Args:
        limits: of the call.
        sample_rate: Hz of the microphone.
        clock: seconds, monotonic.
    """

    def __init__(self, limits: LimitsSettings, sample_rate: int, clock: Callable[[], float] = now_s) -> None:
        self._limits = limits
        self._clock = clock
        self._shortest_frame = sample_rate * 2 * SHORTEST_FRAME_MS // 1000
        audio_per_s = sample_rate * 2
        self._audio = TokenBucket(CLOCK_DRIFT * audio_per_s, AUDIO_BURST_S * audio_per_s, clock)
        self._audio_patience = TokenBucket(audio_per_s / 10, PATIENCE_S * audio_per_s, clock)
        per_s = limits.messages_per_s
        self._messages = TokenBucket(per_s, max(1.0, MESSAGES_BURST_S * per_s), clock)
        self._message_patience = TokenBucket(per_s / 10, PATIENCE_S * per_s, clock)
        self._notified: dict[str, float] = {}

    def audio(self, size: int) -> Violation | None:
        """Judge a binary frame of so many bytes. None: it may pass."""
        if size > (most := self._limits.max_frame_bytes):
            return Violation("max_frame_bytes", f"A frame may have at most {most} bytes.", fatal=True)
        cost = max(size, self._shortest_frame)
        if self._audio.take(cost):
            return None
        message = "Audio comes faster than real time, and the excess is dropped. Is it sent at `ready.sample_rate`?"
        return self._violation("audio_burst_s", message, fatal=not self._audio_patience.take(cost))

    def message(self, raw: str) -> Violation | None:
        """Judge a text frame before it is read. None: it may pass."""
        if not self._messages.take():
            message = f"More than {self._limits.messages_per_s:g} messages a second: the excess is ignored."
            return self._violation("messages_per_s", message, fatal=not self._message_patience.take())
        if len(raw) > (most := self._limits.max_json_bytes) or len(raw.encode()) > most:
            return Violation("max_json_bytes", f"A text frame may have at most {most} bytes.")
        return None

    def typed(self, text: str) -> Violation | None:
        """Judge a typed turn. None: it may pass."""
        if len(text) > (most := self._limits.max_typed_chars):
            return Violation("max_typed_chars", f"A typed turn may have at most {most} characters.")
        return None

    def _violation(self, limit: str, message: str, *, fatal: bool) -> Violation:
        at_s = self._clock()
        notify = fatal or at_s >= self._notified.get(limit, at_s)
        if notify:
            self._notified[limit] = at_s + NOTIFY_AGAIN_S
        return Violation(limit, message, notify=notify, fatal=fatal)
