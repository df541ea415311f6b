"""How much of a reply the caller has played, and how late it is. No I/O."""

from __future__ import annotations


class PlayoutClock:
    """Estimates how much a client has played, assuming it plays audio on arrival. All times and durations are in ms.

    There are two scales: *sent* counts what the client got, as its reports do; a *position* is in the reply's audio,
    some of which may have been skipped.
    """

    def __init__(self) -> None:
        self.sent_ms = 0.0
        self.lag_ms = 0.0
        """How late the next speech will be played because the client was slow, minus the audio it had in advance."""
        self._origin_ms = 0.0  # when playing began, if there had been no gap
        self._waits_since_ms: float | None = None
        self._skips: list[tuple[float, float]] = []  # after how much was sent, how much was skipped
        self._anchor: tuple[float, float] | None = None  # how much had been played, and when; played on since
        self._reported_ms: float | None = None  # how much the client has reported as played
        self._report_gap_ms = 0.0  # the longest that it played between two reports
        self._alive_ms: float | None = None  # how much had been played when the client was last known to be there
        self._paused_ms: float | None = None  # how much had been played when the client paused; None: it plays

    # --- what was sent, and skipped -----------------------------------------------------------------------------

    def add_sent(self, duration_ms: float, now_ms: float) -> None:
        """The client has accepted more audio."""
        # A client that has played everything, or gets its first audio, plays this from now on. By its reports, that may
        # be at another time than by the server's clock.
        if now_ms - self._origin_ms > self.sent_ms:
            self._origin_ms = now_ms - self.sent_ms
        if self._anchor is not None and self.played_ms(now_ms) >= self.sent_ms:
            self._anchor = (self.sent_ms, now_ms)
        self.sent_ms += duration_ms

    def start_waiting(self, now_ms: float) -> None:
        """From now on, speech waits for the client."""
        self._waits_since_ms = now_ms

    def stop_waiting(self, now_ms: float) -> None:
        """Speech waits for the client no longer."""
        self.update_lag(now_ms)
        self._waits_since_ms = None

    def update_lag(self, now_ms: float) -> None:
        """Add the time spent waiting for the client to the lag. Pauses, holds and a slow voice do not count."""
        if self._waits_since_ms is not None:
            ran_dry_ms = self._origin_ms + self.sent_ms
            self.lag_ms += max(0.0, now_ms - max(self._waits_since_ms, ran_dry_ms))
            self._waits_since_ms = now_ms

    def limit_lag(self, waiting_ms: float, now_ms: float) -> None:
        """Limit the lag of new speech to the `waiting_ms` of speech before it, plus what is still to be played."""
        self.update_lag(now_ms)
        self.lag_ms = min(self.lag_ms, self.ahead_ms(now_ms) + waiting_ms)

    def skip(self, duration_ms: float) -> tuple[float, float]:
        """Skip the next audio. Returns the positions where it begins and ends."""
        start_ms = self.sent_ms + self.skipped_ms
        self._skips.append((self.sent_ms, duration_ms))
        return start_ms, start_ms + duration_ms

    @property
    def skipped_ms(self) -> float:
        """How much was skipped so far."""
        return sum(duration_ms for _, duration_ms in self._skips)

    def position_ms(self, played_ms: float) -> float:
        """Return the position in the reply's audio, given how much was played of what was sent."""
        return played_ms + sum(duration_ms for after_ms, duration_ms in self._skips if after_ms < played_ms)

    # --- what was played ----------------------------------------------------------------------------------------

    def report(self, played_ms: float, now_ms: float) -> None:
        """Take the client's report of how much it has played, which replaces the estimate."""
        if self._reported_ms is not None:
            self._report_gap_ms = max(self._report_gap_ms, self.played_ms(now_ms) - self._reported_ms)
        self._reported_ms = min(played_ms, self.sent_ms)
        self._anchor = (self._reported_ms, now_ms)
        if self._paused_ms is not None:
            self._paused_ms = self._reported_ms

    def pause(self, played_ms: float, now_ms: float) -> None:
        """Take the client's report that it has paused, and how much it has played."""
        self._paused_ms = self._reported_ms = min(played_ms, self.sent_ms)
        # Not `report`: a client that reports its pauses alone does not fall silent when no further report comes.
        self._anchor = (self._paused_ms, now_ms)

    def stop(self, played_ms: float, now_ms: float) -> None:
        """Take the client's report that it has stopped for good after `played_ms`.

        It has not played more than there was time for: the OpenAI Agents SDK counts from the first audio of a reply,
        and so counts the gaps in it, too.
        """
        possible_ms = round(self.sent_ms - self.ahead_ms(now_ms), 3)
        self.pause(min(played_ms, possible_ms), now_ms)

    @property
    def paused(self) -> bool:
        """Whether the client has paused."""
        return self._paused_ms is not None

    def resume(self, now_ms: float) -> None:
        """The client plays again, from where it paused if it did."""
        if self._paused_ms is not None:
            self._origin_ms = now_ms - self._paused_ms
            self._anchor = (self._paused_ms, now_ms)
            self._paused_ms = None

    def note_liveness(self, now_ms: float) -> None:
        """Note that the client is connected: it sent something that it sends continuously, such as microphone audio."""
        if self.sent_ms:
            self._alive_ms = self.played_ms(now_ms)

    def played_ms(self, now_ms: float) -> float:
        """Return how much has been played of what was sent."""
        if self.sent_ms == 0:
            return 0.0
        if self._paused_ms is not None:
            return self._paused_ms
        played, at = self._anchor or (0.0, self._origin_ms)
        # To the microsecond: a word that ends now must not be missed because of a rounding error of the clock's floats.
        return max(0.0, min(self.sent_ms, round(played + now_ms - at, 3)))

    def confirmed_played_ms(self, now_ms: float) -> float:
        """As `played_ms`, for a client that was lost, perhaps some time ago.

        It is taken to have played until a report is overdue. A client that never reports, until it was last known to
        be there; if that is unknown too, until now.
        """
        if self._reported_ms is not None and self._report_gap_ms:
            return min(self.played_ms(now_ms), self._reported_ms + self._report_gap_ms)
        if self._alive_ms is None:
            return self.played_ms(now_ms)
        return max(self._alive_ms, self._reported_ms or 0.0)

    def ahead_ms(self, now_ms: float) -> float:
        """Return how much was sent and not played yet, by the server's own clock."""
        if self._paused_ms is not None:
            return self.sent_ms - self._paused_ms
        return max(0.0, self.sent_ms - (now_ms - self._origin_ms)) if self.sent_ms else 0.0
