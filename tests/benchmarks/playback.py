"""What a caller hears: audio is played as it comes, until it runs out, is paused, or is dropped."""

from __future__ import annotations


class Playback:
    """The playback of one client. All times are seconds of the same clock; calls come in the order of time.

    Attributes:
        gap_ms: how long nothing was left to play within a reply.
    """

    def __init__(self) -> None:
        self.gap_ms = 0.0
        self._received_ms = 0.0
        self._ends_s = 0.0
        self._paused_s: float | None = None
        self._begun = False

    def begin(self) -> None:
        """A new reply: what comes before its first audio is no gap."""
        self._begun = False
        self._paused_s = None
        self._received_ms = 0.0

    def add(self, duration_ms: float, now_s: float) -> None:
        """Audio arrived."""
        if not self._begun:
            self._begun, self._ends_s, self.gap_ms = True, now_s, 0.0
        if self._paused_s is None and now_s > self._ends_s:
            self.gap_ms += (now_s - self._ends_s) * 1000
            self._ends_s = now_s
        self._ends_s += duration_ms / 1000
        self._received_ms += duration_ms

    def hold(self, now_s: float) -> None:
        """Pause; what is buffered stays."""
        if self._paused_s is None:
            self._paused_s = now_s

    def release(self, now_s: float) -> None:
        """Go on where playback was paused."""
        if self._paused_s is not None:
            self._ends_s = now_s + self.left_s(now_s)
            self._paused_s = None

    def drop(self, now_s: float) -> None:
        """Forget what is buffered."""
        self._ends_s = min(self._ends_s, now_s)
        self._begun = False

    def left_s(self, now_s: float) -> float:
        """Seconds of audio that are buffered."""
        return max(0.0, self._ends_s - (now_s if self._paused_s is None else self._paused_s))

    def played_ms(self, now_s: float) -> float:
        """How much of the reply was played."""
        return self._received_ms - self.left_s(now_s) * 1000

    def silent_at_s(self) -> float:
        """When the last sound was heard, or will be if nothing else comes."""
        return self._ends_s if self._paused_s is None else min(self._paused_s, self._ends_s)
