"""What is measured: the pace of the simulated services, and the turns that callers and agent speak."""

from __future__ import annotations

import itertools
import re

FIRST_TOKEN_S = 0.150
"""From the model's request to its first token."""

TOKENS_PER_S = 60.0
"""One token is one word with the space before it, so the end of a word is known when the next token comes."""

VOICE_STARTS_AT_WORDS = 8
"""The voice begins to speak at so many words, at the end of a sentence, or at `__END__`."""

FIRST_AUDIO_S = 0.100
"""From there to its first audio."""

VOICE_SPEED = 4.0
"""Seconds of speech the voice makes in a second, after its first audio."""

VOICE_FRAME_MS = 100
VOICE_RATE = 24000
MICROPHONE_RATE = 16000
MICROPHONE_FRAME_MS = 20

WORD_LOOKAHEAD_MS = 1000 / TOKENS_PER_S
"""The part of a relay's own time that nobody can avoid who sends whole words."""

LONG = 0
SHORT_FIRST = 1
"""Styles of reply, by index in `_BODIES`: a long first sentence without a comma, or one of four words."""

_BODIES = (
    "the desk on the ground floor is open from early morning until late in the evening. "
    "You can also leave a message there.",
    "yes we are. The desk on the ground floor is open from early morning until late in the evening every day.",
)

CALLER_WORDS = ["hello", "could", "you", "please", "tell", "me", "when", "the", "desk", "is", "open", "today"]
"""What the recogniser hears, word by word; the final adds the turn's tag."""

INTERRUPTION = "wait a moment please"

_TAG = re.compile(r"\bq[a-z]{5}\b")
_LETTERS = "bcdfghjklmnprstv"  # no vowels: a tag is no word that a cleaner of text would change
_numbers = itertools.count(1)


def new_tag(style: int) -> str:
    """Return a word that names one turn. It travels in the final transcript, the request and the first spoken word."""
    number, letters = next(_numbers), ""
    for _ in range(4):
        number, digit = divmod(number, len(_LETTERS))
        letters += _LETTERS[digit]
    return f"q{_LETTERS[style]}{letters}"


def tag_in(text: str) -> str | None:
    """Return the last tag in `text`."""
    found = _TAG.findall(text.lower())
    return found[-1] if found else None


def reply_tokens(tag: str) -> list[str]:
    """The model's answer to the turn: its tag, then the words of its style."""
    words = [tag.capitalize(), *_BODIES[_LETTERS.index(tag[1])].split()]
    return [words[0], *(f" {word}" for word in words[1:])]


def ends_sentence(word: str) -> bool:
    """Whether the voice takes `word` for the last of a sentence."""
    return word.endswith((".", "!", "?"))


def trigger_index(tag: str) -> int:
    """Index of the token at which the voice can begin at the earliest."""
    tokens = reply_tokens(tag)[:VOICE_STARTS_AT_WORDS]
    return next((i for i, token in enumerate(tokens) if ends_sentence(token)), len(tokens) - 1)
