"""The caller's words in turn-taking: how many there are, and whether they interrupt the agent. No I/O."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

from voice_host_sdk import TurnConfig

STOP_WORDS = (
    "stop", "wait", "hold on", "hang on", "hold it", "one moment", "just a moment", "one second", "just a second",
    "pause", "enough", "quiet", "be quiet", "shut up", "excuse me",
)  # fmt: skip
"""The default of `TurnConfig.stop_words`, English."""

BACKCHANNELS = (
    "uh-huh", "mm-hmm", "mhm", "mhmm", "mm", "mmm", "hm", "hmm", "aha", "ah", "oh", "uh", "um", "er",
    "okay", "ok", "right", "all right", "alright", "yeah", "yes", "yep", "yup", "sure", "i see", "got it",
)  # fmt: skip
"""The default of `TurnConfig.backchannels`, English. The short answers among them ("yes") are answers when the agent
has asked something."""

_CJK = "\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003ffff"
_SOUTH_EAST_ASIAN = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"  # Thai, Lao, Burmese, Khmer
_UNSPACED = tuple((re.compile(f"[{script}]"), per_word) for script, per_word in ((_CJK, 2), (_SOUTH_EAST_ASIAN, 3)))
"""Scripts without spaces between words, and a low estimate of the letters of a word. Japanese and Chinese words have
about two characters; South-East Asian ones have more, not counting vowel signs."""

_QUESTION = re.compile(r"[?？؟՞⁇⁈‽][\"'”’»)\]]*(?:\s+[^.!?。！？]+[.!。！]?)?\s*$")
"""A text that ends with a question, or with a sentence after one ("Shall I book it? Just say yes.")."""


def has_word(text: str) -> bool:
    """Whether there is a letter or digit of any script. Recognisers transcribe breath and noise as "." or "..."."""
    return any(map(str.isalnum, text))


def count_words(text: str) -> int:
    """Return the number of words; in scripts without spaces, an estimate from the number of letters."""
    return sum(map(_words_in, text.split()))


def _words_in(chunk: str) -> int:
    letters = [char for char in chunk if char.isalnum()]
    count = unspaced = 0
    for script, per_word in _UNSPACED:
        of_script = sum(script.match(char) is not None for char in letters)
        unspaced += of_script
        count += -(-of_script // per_word)
    return count + (len(letters) > unspaced)


def asks(text: str) -> bool:
    """Whether a text of the agent ends with a question."""
    return _QUESTION.search(text) is not None


def words(text: str) -> list[str]:
    """Return the words as they are compared: without case, punctuation, hyphens and apostrophes."""
    text = unicodedata.normalize("NFKC", text).casefold()
    kept = (char if unicodedata.category(char)[0] in "LNM" else "" if char in "'’" else " " for char in text)
    return "".join(kept).split()


class BargeInWords:
    """Tells interruptions from back-channels.

    Case, punctuation, hyphens and spaces within back-channels are ignored: recognisers write "Mm-hmm.", "mm hmm" and
    "mhm" for the same sound.
    """

    def __init__(self, config: TurnConfig) -> None:
        self._min_words = config.barge_in_min_words
        self._stop = [" ".join(words(phrase)) for phrase in _or_default(config.stop_words, STOP_WORDS)]
        self._backchannels = {"".join(words(phrase)) for phrase in _or_default(config.backchannels, BACKCHANNELS)}

    def interrupts(self, text: str, *, so_far: bool = False) -> bool:
        """Whether `text`, said over the agent, interrupts it. `so_far`: more may follow."""
        if self._has_stop_word(text):
            return True
        return count_words(text) >= self._min_words and not self.is_backchannel(text, so_far=so_far)

    def is_backchannel(self, text: str, *, so_far: bool = False) -> bool:
        """Whether `text` consists of back-channels alone, one or several. `so_far`: more may follow."""
        said = "".join(words(text))
        reached = {0}
        for at in range(len(said)):
            if at in reached:
                reached |= {at + len(word) for word in self._backchannels if said.startswith(word, at)}
        complete = len(said) in reached
        begun = so_far and any(word.startswith(said[at:]) for at in reached for word in self._backchannels)
        return bool(said) and (complete or begun) and not self._has_stop_word(text)

    def _has_stop_word(self, text: str) -> bool:
        said = " ".join(words(text))
        return any(f" {phrase} " in f" {said} " or (_is_unspaced(phrase) and phrase in said) for phrase in self._stop)


def _or_default(phrases: Iterable[str] | None, default: Iterable[str]) -> Iterable[str]:
    return default if phrases is None else phrases


def _is_unspaced(phrase: str) -> bool:
    return any(script.match(phrase) for script, _ in _UNSPACED)
