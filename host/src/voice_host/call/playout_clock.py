"""What the caller has played of one reply, and how far behind the call's time that is. No I/O."""

from __future__ import annotations


class PlayoutClock:
    """How much of what was sent has been played, if the client plays as it receives. All in ms.

    Two measures: what was *sent* is what the client got, and what it counts in its reports. A *position* is in the
    reply's audio, of which some may have been skipped.
    """

    def __init__(self) -> None:
        self.sent_ms = 0.0
        self.lag_ms = 0.0
        """How much later than it could be the speech that waits now is played: the client took that long to take what
        was before it. What it had in advance covers for it."""
        self._origin_ms = 0.0  # when the audio at position 0 was, or would have been, played
        self._waits_since_ms: float | None = None
        self._skips: list[tuple[float, float]] = []  # after how much was sent, how much was skipped
        self._reported: tuple[float, float] | None = None
        self._report_gap_ms = 0.0  # the longest between two reports
        self._alive_ms: float | None = None  # how much had been played when the client last gave a sign of being there
        self._paused_ms: float | None = None  # how much had been played when the client paused; None: it plays

    # --- what was sent, and skipped -----------------------------------------------------------------------------

    def add_sent(self, duration_ms: float, now_ms: float) -> None:
        """The client has taken so much more."""
        if now_ms - self._origin_ms > self.sent_ms:
            # The client ran dry (or this is the first audio): what comes now is played from now on.
            self._origin_ms = now_ms - self.sent_ms
        self.sent_ms += duration_ms

    def await_client(self, now_ms: float) -> None:
        """From now on it is the client that keeps speech waiting."""
        self._waits_since_ms = now_ms

    def go_on(self, now_ms: float) -> None:
        """From now on it is not."""
        self.settle(now_ms)
        self._waits_since_ms = None

    def settle(self, now_ms: float) -> None:
        """Count what the client has been waited for into the lag: pauses, holds and a slow voice are not its doing."""
        if self._waits_since_ms is not None:
            ran_dry_ms = self._origin_ms + self.sent_ms
            self.lag_ms += max(0.0, now_ms - max(self._waits_since_ms, ran_dry_ms))
            self._waits_since_ms = now_ms

    def made(self, waiting_ms: float, now_ms: float) -> None:
        """More speech was made, behind what waits to be sent: it cannot be later than all that is before it takes."""
        self.settle(now_ms)
        self.lag_ms = min(self.lag_ms, self.ahead_ms(now_ms) + waiting_ms)

    def skip(self, duration_ms: float) -> tuple[float, float]:
        """What comes next is left out. Returns from which position to which that is."""
        start_ms = self.sent_ms + self.skipped_ms
        self._skips.append((self.sent_ms, duration_ms))
        return start_ms, start_ms + duration_ms

    @property
    def skipped_ms(self) -> float:
        """How much was left out so far."""
        return sum(duration_ms for _, duration_ms in self._skips)

    def position_ms(self, played_ms: float) -> float:
        """The position in the reply's audio after so much was played of what was sent."""
        return played_ms + sum(duration_ms for after_ms, duration_ms in self._skips if after_ms < played_ms)

    # --- what was played ----------------------------------------------------------------------------------------

    def report(self, played_ms: float, now_ms: float) -> None:
        """The client says how much it has played, which beats any estimate."""
        if self._reported is not None:
            self._report_gap_ms = max(self._report_gap_ms, now_ms - self._reported[1])
        self._reported = (min(played_ms, self.sent_ms), now_ms)
        if self._paused_ms is not None:
            self._paused_ms = self._reported[0]

    def pause(self, played_ms: float, now_ms: float) -> None:
        """The client says that it has paused after so much."""
        self.report(played_ms, now_ms)
        self._paused_ms = min(played_ms, self.sent_ms)

    @property
    def paused(self) -> bool:
        """Whether the client has paused."""
        return self._paused_ms is not None

    def resume(self, now_ms: float) -> None:
        """The client plays on, from where it has paused if it has."""
        if self._paused_ms is not None:
            self._origin_ms = now_ms - self._paused_ms
            self._reported = (self._paused_ms, now_ms)
            self._paused_ms = None

    def note_liveness(self, now_ms: float) -> None:
        """Something came from the client that comes all the time, such as audio of its microphone."""
        if self.sent_ms:
            self._alive_ms = self.played_ms(now_ms)

    def played_ms(self, now_ms: float) -> float:
        """How much of what was sent."""
        if self.sent_ms == 0:
            return 0.0
        if self._paused_ms is not None:
            return self._paused_ms
        if self._reported is not None:
            played, at = self._reported
            return min(self.sent_ms, played + now_ms - at)
        return max(0.0, min(self.sent_ms, now_ms - self._origin_ms))

    def confirmed_played_ms(self, now_ms: float) -> float:
        """As `played_ms`, of a client that was lost some time ago: it has played on until a report is missing.

        One that reports nothing has played on until its last sign of liveness. Without any, nobody knows.
        """
        if self._reported is not None and self._report_gap_ms:
            return self.played_ms(min(now_ms, self._reported[1] + self._report_gap_ms))
        if self._alive_ms is None:
            return self.played_ms(now_ms)
        return max(self._alive_ms, self._reported[0] if self._reported is not None else 0.0)

    def ahead_ms(self, now_ms: float) -> float:
        """How much was sent that is not played yet, by the server's own clock."""
        if self._paused_ms is not None:
            return self.sent_ms - self._paused_ms
        return max(0.0, self.sent_ms - (now_ms - self._origin_ms)) if self.sent_ms else 0.0
