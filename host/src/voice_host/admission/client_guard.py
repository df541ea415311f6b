"""Enforces the limits on what a client sends: decides what is dropped, and when the call is closed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from voice_host.admission.rates import TokenBucket
from voice_host.clock import now_s
from voice_host.settings import LimitsSettings

CLOCK_DRIFT = 1.05
"""Tolerance for clocks of clients' sound cards that run fast. Real ones are within 0.1 %."""

AUDIO_BURST_S = 10.0
"""Seconds of audio that may arrive faster than real time, as after a network stall; as much as the microphone buffer
holds (`resilience.microphone_buffer_s`). The excess is dropped."""

MESSAGES_BURST_S = 3.0
"""Seconds' worth of messages that may arrive at once, as after a network stall."""

PATIENCE_S = 60.0
"""Seconds' worth of messages or audio that may exceed their limit in a row before the call is closed. A client that
sends a file as fast as it can stays below that, since its excess audio is dropped."""

SHORTEST_FRAME_MS = 1
"""Shorter frames count as this long, since each frame has a cost of its own."""

FRAME_PER_AUDIO = 16
"""A frame counts as at least a 16th of its length, whatever audio is in it, since all of it is parsed. Frames of JSON
with audio in Base64 are at most 6 times as long as the PCM16 that is made of them."""

NOTIFY_AGAIN_S = 10.0
"""How often a client that stays over a limit is warned, in seconds."""


@dataclass(frozen=True, slots=True)
class Violation:
    """A message or frame that exceeds a limit and is dropped.

    Attributes:
        limit: the limit's name, for metrics.
        message: sent to the client.
        notify: whether to warn the client now.
        fatal: whether the call is closed.
    """

    limit: str
    message: str
    notify: bool = True
    fatal: bool = False


class ClientGuard:
    """Checks what one client sends.

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

    def audio(self, size: int, frame_size: int = 0) -> Violation | None:
        """Check a frame of audio. None: it is within the limits.

        Args:
            size: bytes of the audio, as PCM16 at the microphone's sample rate.
            frame_size: length of the frame that it came in, in bytes or characters.
        """
        if size > (most := self._limits.max_frame_bytes):
            return Violation("max_frame_bytes", f"A frame may have at most {most} bytes.", fatal=True)
        cost = max(size, self._shortest_frame, frame_size // FRAME_PER_AUDIO)
        if self._audio.take(cost):
            return None
        message = (
            "Audio comes faster than real time, or with too much beside it, and the excess is dropped. Is it in the "
            "format of the session?"
        )
        return self._violation("audio_burst_s", message, fatal=not self._audio_patience.take(cost))

    def message(self, raw: str | bytes) -> Violation | None:
        """Check a frame that holds something else than audio. None: it is within the limits."""
        if not self._messages.take():
            message = f"More than {self._limits.messages_per_s:g} messages a second: the excess is ignored."
            return self._violation("messages_per_s", message, fatal=not self._message_patience.take())
        data = raw if isinstance(raw, bytes) or len(raw) > self._limits.max_json_bytes else raw.encode()
        if len(data) > (most := self._limits.max_json_bytes):
            return Violation("max_json_bytes", f"A text frame may have at most {most} bytes.")
        return None

    def typed(self, text: str) -> Violation | None:
        """Check a typed turn. None: it is within the limits."""
        if len(text) > (most := self._limits.max_typed_chars):
            return Violation("max_typed_chars", f"A typed turn may have at most {most} characters.")
        return None

    def _violation(self, limit: str, message: str, *, fatal: bool) -> Violation:
        at_s = self._clock()
        notify = fatal or at_s >= self._notified.get(limit, at_s)
        if notify:
            self._notified[limit] = at_s + NOTIFY_AGAIN_S
        return Violation(limit, message, notify=notify, fatal=fatal)
