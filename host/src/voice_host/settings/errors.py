"""Errors in the settings, reported all at once."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """One error in the settings: `where` names the file and key, or the variable, to change."""

    where: str
    message: str

    def __str__(self) -> str:
        return f"{self.where}: {self.message}"


class SettingsError(Exception):
    """The settings are invalid. `problems` has all errors, in a stable order."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


def suggestion(word: str, known: Iterable[str]) -> str | None:
    """Return the known word that is nearest to a misspelled `word`, if any is near."""
    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return close[0] if close else None


def meant_instead(word: str, known: Iterable[str]) -> str:
    """Return `; did you mean 'x'?` for the end of a message, or an empty text if no known word is near."""
    close = suggestion(word, known)
    return f"; did you mean {close!r}?" if close else ""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return a clause for the end of a message: the nearest known word, or else all of them."""
    names = sorted(known)
    close = suggestion(word, names)
    if close:
        return f"did you mean {close!r}?"
    return f"known are {', '.join(names)}" if names else "none is known here"
