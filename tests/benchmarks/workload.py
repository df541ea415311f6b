"""What is measured: the pace of the simulated services, and what callers and agent say."""

from __future__ import annotations

import re
from dataclasses import dataclass

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
MICROPHONE_FRAME_BYTES = MICROPHONE_RATE * MICROPHONE_FRAME_MS // 1000 * 2

RECOGNISER_MIN_MS = 50
"""The shortest message that the recogniser takes."""

ONSET_S = 0.2
"""From the beginning of the caller's voice to the recogniser's `SpeechStarted`."""

LONG = 0
SHORT_FIRST = 1
"""Styles of reply, by index in `_BODIES`: a long first sentence without a comma, or one of four words."""

_BODIES = (
    "the desk on the ground floor is open from early morning until late in the evening. "
    "You can also leave a message there.",
    "yes we are. The desk on the ground floor is open from early morning until late in the evening every day.",
)


@dataclass(frozen=True)
class Script:
    """What the caller says in one turn, and when the recogniser tells what. Seconds since the voice began.

    Attributes:
        voice_s: how long the caller's voice lasts.
        partials: the partial transcripts.
        final_s: when the turn is final, with all words and the turn's tag.
    """

    voice_s: float
    partials: tuple[tuple[float, str], ...]
    final_s: float
    words: str


_WORDS = ["hello", "could", "you", "please", "tell", "me", "when", "the", "desk", "is", "open", "today"]

TALK = Script(
    voice_s=2.0,
    partials=tuple((ONSET_S + 0.15 * n, " ".join(_WORDS[:n])) for n in range(1, len(_WORDS))),
    final_s=2.2,
    words=" ".join(_WORDS),
)
"""A turn as people speak it; a partial transcript comes with each word."""

BRIEF = Script(voice_s=0.4, partials=((0.35, "are you"),), final_s=0.5, words="are you open today")
"""A short turn, where more turns in the same time are wanted."""

INTERRUPTION = Script(voice_s=0.6, partials=((0.5, "wait a"),), final_s=0.8, words="wait a moment please")
"""Spoken over the agent: an onset, two words that interrupt 300 ms later, and the end of the turn after another 300."""

SCRIPTS = (TALK, BRIEF, INTERRUPTION)

_LETTERS = "bcdfghjklmnprstv"  # no vowels: a tag is no word that a cleaner of text would change
_NUMBER_LETTERS = 6
_TAG = re.compile(rf"\bq[{_LETTERS}]{{{_NUMBER_LETTERS + 1}}}\b")


def tag_of(number: int, style: int) -> str:
    """Return the word that names a turn, up to 16.7 million of them.

    It travels in the final transcript, the model's request, and the first word of the reply.
    """
    letters = ""
    for _ in range(_NUMBER_LETTERS):
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
