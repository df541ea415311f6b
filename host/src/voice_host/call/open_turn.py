"""`OpenTurn`: tracks the turn that a recogniser has begun, and ends it if no final transcript arrives. No I/O.

Recognisers promise one final transcript for each turn, but in practice some never arrive. The recognised words must
reach the agent even so.
"""

from __future__ import annotations

import math

from voice_host.turns.caller_words import has_word, words
from voice_host_sdk import SpeechEnded, SpeechEvent, SpeechStarted, STTConfig, Transcript

FINAL_TIMEOUT_S = 3.0
"""How long a final transcript may take after the silence that ends a turn."""

SPEECH_TIMEOUT_S = 8.0
"""The same until the recogniser has reported the end of speech: some send few partial transcripts, or one."""


def final_timeout_s(config: STTConfig) -> float:
    """Return the seconds without an event after which the last partial transcript of a turn becomes final."""
    return FINAL_TIMEOUT_S + config.max_turn_silence / 1000


class OpenTurn:
    """Passes a recogniser's events on, and creates a final transcript that does not arrive. Times are in seconds.

    Args:
        timeout_s: see `final_timeout_s`.
        hears_end: whether the recogniser reports the end of speech.
    """

    def __init__(self, timeout_s: float, *, hears_end: bool) -> None:
        self._timeout_s = timeout_s
        self._hears_end = hears_end
        self._partial = ""
        self._voice = False  # speech was detected and has not ended
        self._voice_at_s = -math.inf  # when speech was detected or ended, since the last final transcript
        self._taken: list[str] = []  # words of a turn that was ended here
        self._spoke_since = False  # speech was detected since then
        self._hears_onset = False  # the recogniser reports the onset of speech
        self.is_open = False
        """Whether a turn has begun and has not ended."""
        self.overdue_at_s: float | None = None
        """When the final transcript is overdue; None: none is expected."""

    def take(self, event: SpeechEvent, now_s: float) -> SpeechEvent | None:
        """Take an event and return the event to pass on; None: it belongs to a turn that was ended here."""
        self._voice_at_s = now_s if isinstance(event, SpeechStarted | SpeechEnded) else self._voice_at_s
        match event:
            case SpeechStarted():
                self._voice, self._spoke_since, self._hears_onset = self._hears_end, True, True
            case SpeechEnded():
                self._voice = False
            case Transcript(text, final, confidence):
                rest = self._without_taken(text, final=final)
                self.is_open, self._partial = not final, "" if final else rest or ""
                if final:
                    self._voice, self._voice_at_s, self._taken = False, -math.inf, []
                if rest is None:
                    self.is_open = False
                    self.overdue_at_s = None
                    return None
                event = Transcript(rest, final, confidence)
        waits = has_word(self._partial)
        self.overdue_at_s = now_s + (SPEECH_TIMEOUT_S if self._voice else self._timeout_s) if waits else None
        return event

    def finish(self) -> Transcript | None:
        """End an overdue turn and return its final transcript; None: no word was recognised."""
        text, self._partial = self._partial, ""
        self.overdue_at_s, self._voice_at_s = None, -math.inf
        self.is_open = False
        if not has_word(text):
            return None
        self._taken, self._spoke_since = [*self._taken, *words(text)], False
        return Transcript(text, final=True)

    def may_be_under_way(self, now_s: float) -> bool:
        """Return whether a turn may be in progress: speech is detected before its words, which may come late."""
        return self.is_open or self._voice or now_s <= self._voice_at_s + self._timeout_s

    def lost(self, now_s: float) -> None:
        """Note that the recogniser was lost. An open turn remains open until a new recogniser has heard it."""
        if self.may_be_under_way(now_s):
            self._voice_at_s = math.inf

    def begin_again(self) -> None:
        """Start again with a new recogniser, which hears the turn from its beginning."""
        self._partial, self.overdue_at_s, self._taken, self._voice = "", None, [], False

    def _without_taken(self, text: str, *, final: bool) -> str | None:
        """Return what `text` adds to the turn that was ended here: the recogniser may continue or end that turn.

        If nobody has spoken since, it can only be that turn, perhaps in other words, and it has been answered.
        """
        chunks = text.split()
        if not self._taken:
            return text
        for count in range(1, len(chunks) + 1):
            if words(" ".join(chunks[:count])) == self._taken:
                rest = " ".join(chunks[count:])
                if has_word(rest):
                    return rest
                # A caller who has spoken since may have repeated it.
                return text if final and self._spoke_since else None
        if self._hears_onset and not self._spoke_since:
            return None
        self._taken = []
        return text
