"""Whether the caller is speaking, judged from the recogniser's events. No I/O; times in seconds."""

from __future__ import annotations

WORDS_TIMEOUT_S = 1.5
"""How long after the onset of speech words may come, where the recogniser does not report the end of speech. The
slowest first partial transcript seen in the field came after 1.2 s."""

WORDS_AFTER_END_S = 0.8
"""How long after the end of speech the words of a short utterance may come. Of recognisers that report the end of
speech, the slowest needs 0.7 s from there to a transcript."""

NOISE_AFTER_S = 5.0
"""Speech without a recognised word for this long is taken for noise, or its end was not reported. The agent must not
wait for it any longer."""

MAX_PAUSE_S = 10.0
"""How long after a word the next event may come while speech continues."""


class CallerVoice:
    """Tracks the caller's speech, and says until when the agent must not begin to speak.

    Every wait is bounded: by `NOISE_AFTER_S` for speech without words; for words whose turn is not finished, by
    `final_within_s`, or by `MAX_PAUSE_S` while speech continues.

    Args:
        reports_speech_end: whether the recogniser reports the end of speech.
        final_within_s: how long after the last partial transcript or the end of speech the final transcript may come.
    """

    def __init__(self, *, reports_speech_end: bool, final_within_s: float) -> None:
        self._reports_speech_end = reports_speech_end
        self._final_within_s = final_within_s
        self.detected = False
        """Whether the recogniser has reported the onset of speech and not its end."""
        self._words = False  # words of the open turn were recognised
        self._ended = False  # an end of speech was reported within the open turn
        self._since_s = 0.0  # onset of the speech in which no word was recognised yet
        self.silent_at_s: float | None = None
        """When the caller counts as silent unless more is heard; None: silent already."""

    def speaks(self, now_s: float) -> bool:
        """Whether the caller is speaking, or may be about to continue."""
        return self.silent_at_s is not None and now_s < self.silent_at_s

    def started(self, now_s: float) -> None:
        """Speech was detected."""
        self.detected = True
        self._words = self._words and self.speaks(now_s)
        self._wait(NOISE_AFTER_S if self._reports_speech_end else WORDS_TIMEOUT_S, now_s)

    def words(self, now_s: float) -> None:
        """Words of the open turn were recognised."""
        self._words = True
        self._wait(0.0, now_s)

    def ended(self, now_s: float) -> None:
        """Speech ended; the turn may continue."""
        self.detected, self._ended = False, True
        if self.speaks(now_s):
            self._wait(WORDS_AFTER_END_S, now_s)

    def turn(self, now_s: float) -> None:
        """The turn is final. Speech that began again after an end of speech belongs to the next turn."""
        continues = self._reports_speech_end and self.detected and self._ended
        self.reset()
        if continues:
            self.started(now_s)

    def reset(self) -> None:
        """The caller is silent."""
        self.detected = self._words = self._ended = False
        self.silent_at_s = None

    def _wait(self, without_words_s: float, now_s: float) -> None:
        if self._words:
            continues = self.detected and self._reports_speech_end
            self.silent_at_s = now_s + (MAX_PAUSE_S if continues else self._final_within_s)
            return
        if not self.speaks(now_s):
            self._since_s = now_s
        # The bound holds for repeated speech without words, too.
        self.silent_at_s = min(now_s + without_words_s, self._since_s + NOISE_AFTER_S)
