"""Whether the caller is speaking, as far as a recogniser's events tell. No I/O; times in seconds."""

from __future__ import annotations

WORDS_TIMEOUT_S = 1.5
"""How long words are waited for after the onset where the recogniser does not report the end of speech: the slowest
first partial that was seen in the field comes 1.2 s after it."""

SETTLE_S = 0.8
"""After the end of speech, how long the words of something short are waited for: of recognisers that report that end,
the slowest needs 0.7 s from there to a transcript."""

NOISE_AFTER_S = 5.0
"""A voice in which no word is recognised for so long is taken for noise, or its end was not reported: the agent must
not wait for it for ever."""

MAX_PAUSE_S = 10.0
"""While speech goes on, how long after a word the next event may come."""


class CallerVoice:
    """Follows the caller's voice, and says until when the agent is not to begin.

    Every wait has an end: after `NOISE_AFTER_S` for a voice without words; for words that become no turn after
    `final_within_s`, or after `MAX_PAUSE_S` while speech goes on.

    Args:
        hears_end: whether the recogniser reports the end of speech.
        final_within_s: seconds from the last partial transcript or the end of speech to the final one, at most.
    """

    def __init__(self, *, hears_end: bool, final_within_s: float) -> None:
        self._hears_end = hears_end
        self._final_within_s = final_within_s
        self.detected = False
        """Whether the recogniser has reported the beginning of speech and not its end."""
        self._words = False  # of a turn that is not final
        self._ended = False  # within the turn that is not final
        self._since_s = 0.0  # when the voice was detected first, of which no word has been recognised
        self.silent_at_s: float | None = None
        """When the caller counts as silent unless something more is heard; None: silent already."""

    def speaks(self, now_s: float) -> bool:
        """Whether the caller is speaking, or may be about to go on."""
        return self.silent_at_s is not None and now_s < self.silent_at_s

    def started(self, now_s: float) -> None:
        """The voice was detected."""
        self.detected = True
        self._words = self._words and self.speaks(now_s)
        self._wait(NOISE_AFTER_S if self._hears_end else WORDS_TIMEOUT_S, now_s)

    def words(self, now_s: float) -> None:
        """Words were recognised, of a turn that goes on."""
        self._words = True
        self._wait(0.0, now_s)

    def ended(self, now_s: float) -> None:
        """The voice fell silent; the turn may go on."""
        self.detected, self._ended = False, True
        if self.speaks(now_s):
            self._wait(SETTLE_S, now_s)

    def turn(self, now_s: float) -> None:
        """The turn is final. A voice that began again after an end of speech is that of the next turn."""
        goes_on = self._hears_end and self.detected and self._ended
        self.reset()
        if goes_on:
            self.started(now_s)

    def reset(self) -> None:
        """Nobody is heard any more."""
        self.detected = self._words = self._ended = False
        self.silent_at_s = None

    def _wait(self, without_words_s: float, now_s: float) -> None:
        if self._words:
            goes_on = self.detected and self._hears_end
            self.silent_at_s = now_s + (MAX_PAUSE_S if goes_on else self._final_within_s)
            return
        if not self.speaks(now_s):
            self._since_s = now_s
        # Also of a voice that comes and goes without a word.
        self.silent_at_s = min(now_s + without_words_s, self._since_s + NOISE_AFTER_S)
