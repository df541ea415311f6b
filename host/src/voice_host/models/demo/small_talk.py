"""Turns that are about the conversation and not about a tool: "say that again", "never mind", "thanks", "goodbye"."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from voice_host.models.demo.utterance import Utterance
from voice_host.models.demo.words import STOP_WORDS, is_content, listed

Act = Literal["start over", "drop", "repeat", "wait", "who", "help"]

FAREWELLS = ("goodbye", "good bye", "bye", "bye bye", "see you", "good night", "hang up")
_ENDINGS = (
    "that's all",
    "that is all",
    "that's it",
    "that's everything",
    "that is everything",
    "that'll be all",
    "that will be all",
    "that would be all",
    "i'm done",
    "nothing else",
)
_GREETINGS = ("hello", "hi", "hey", "good morning", "good afternoon", "good evening", "greetings")
_THANKS = ("thank you", "thanks", "cheers", "great", "perfect", "wonderful", "lovely", "awesome", "excellent")
_POLITE = STOP_WORDS | set(
    listed("""great perfect wonderful lovely awesome excellent cheers day bye goodbye right correct now needed wanted
    morning afternoon evening everyone there""")
)

_ACTS: tuple[tuple[Act, tuple[str, ...]], ...] = (
    ("start over", ("start over", "start again", "start all over", "from scratch", "begin again")),
    ("drop", ("never mind", "nevermind", "forget it", "forget that", "forget about it", "cancel that", "cancel it",
    "cancel this", "leave it")),
    ("repeat", ("say that again", "repeat that", "what did you say", "come again", "say again", "repeat it")),
    ("wait", ("hold on", "one moment", "just a moment", "a moment please", "one second", "just a second", "hang on",
    "let me think", "let me see", "let me check")),
    (
        "who",
        (
            "who are you", "what are you", "who is this", "who am i talking to", "who am i speaking to",
            "who am i speaking with", "what is your name", "are you a robot", "are you human",
            "are you a human", "are you real", "are you a person", "are you a machine", "are you an ai",
        ),
    ),
    (
        "help",
        (
            "what can you do", "what do you do", "how can you help", "what can i do", "what can i ask",
            "can you help me", "what else can you", "what are my options", "what can i say", "how does this work",
            "what can you help", "what do you offer",
        ),
    ),
)  # fmt: skip
_WHOLE_TURNS: dict[str, Act] = {
    "cancel": "drop", "stop": "drop", "pardon": "repeat", "sorry": "repeat", "what": "repeat", "again": "repeat",
    "repeat": "repeat", "wait": "wait", "help": "help", "restart": "start over",
}  # fmt: skip


def act_of(said: Utterance) -> Act | None:
    """Return what a turn asks of the conversation itself; None when that is not what it is for."""
    words = [word for word in said.words if word not in ("please", "okay", "ok", "just", "oh", "actually", "no", "me")]
    if len(words) == 1 and words[0] in _WHOLE_TURNS:
        return _WHOLE_TURNS[words[0]]
    for act, phrases in _ACTS:
        if phrase := next((phrase for phrase in phrases if said.has(phrase)), None):
            after = f" {' '.join(said.words)} ".partition(f" {phrase} ")[2].split()
            # "What are you" is about the agent, "what are you selling" is not.
            return act if not any(is_content(word) for word in after) or act in ("start over", "drop") else None
    return None


def is_farewell(said: Utterance) -> bool:
    """Whether the caller takes leave: by saying so first or last, or with "that's all, thanks"."""
    if said.is_wish or said.is_question or said.words[:1] in (["can"], ["could"], ["may"]):
        return False  # "can I see you on Friday?"
    ending = next((phrase for phrase in _ENDINGS if said.affirms(phrase)), None)
    if ending is not None and _only_polite(_around(said, ending)[1]):
        return True
    farewells = [_around(said, phrase) for phrase in FAREWELLS if said.affirms(phrase)]
    return any(_only_polite(before) or _only_polite(after) for before, after in farewells)


def _around(said: Utterance, phrase: str) -> tuple[list[str], list[str]]:
    before, _, after = f" {' '.join(said.words)} ".partition(f" {phrase} ")
    return before.split(), after.split()


def _only_polite(words: Sequence[str]) -> bool:
    return all(word in _POLITE for word in words)


def pleasantry(said: Utterance) -> str | None:
    """Answer a turn that is only polite; None for one that wants something."""
    if not _only_polite(said.words):
        return None
    if said.has(*_THANKS):
        return "You're welcome."
    if said.has("how are you", "how do you do"):
        return "I'm fine, thank you. What can I do for you?"
    return "Hello. What can I do for you?" if said.has(*_GREETINGS) else None
