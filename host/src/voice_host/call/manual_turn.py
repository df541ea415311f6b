"""`ManualTurn`: the caller's spoken turn where the client decides when it ends, as with a push-to-talk button."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import Any

from voice_host.call.events import AnswerWithdrawn, CallEvent, Problem, TurnCommitted
from voice_host.turns.caller_words import has_word
from voice_host.turns.events import TurnEvent, TurnFinished
from voice_host_sdk import SpeechEnded, SpeechEvent, Transcript

COMMIT_TIMEOUT_S = 5.0
"""How long the final transcript of speech that was committed may take."""

COMMIT_SILENCE_S = 1.5
"""After this time without any event of the recogniser, there was no speech in what was committed."""

COMMIT_QUIET_S = 0.6
"""The same if some of it was recognised before: recognisers report the onset of more speech sooner."""

MAX_CHARACTERS = 4000
"""Longest turn, as of typed ones by default. Of a client that never asks for an answer, or takes that back again and
again, the beginning is forgotten."""


class ManualTurn:
    """Collects what is recognised until the client commits it and asks for an answer.

    While it is on, speech neither interrupts the agent nor ends a turn.

    Args:
        tell: reports an event to the client.
        dispatch: passes an event to the turn engine.
        end_audio: lets the recogniser end its turn now.
    """

    def __init__(
        self,
        tell: Callable[[CallEvent], Awaitable[None]],
        dispatch: Callable[[TurnEvent], Awaitable[None]],
        end_audio: Callable[[], None],
    ) -> None:
        self._tell = tell
        self._dispatch = dispatch
        self._end_audio = end_audio
        self.on = False
        """Whether the client decides."""
        self._words: list[str] = []
        self._open = False  # speech has begun whose final transcript has not come
        self._skips_open = False  # that was discarded
        self._moved = asyncio.Event()
        self._commits = 0  # that are being finished
        self._committed: list[str] = []
        self._asked: str | None = None  # an answer was asked for, and the text that was typed before
        self._withdrawn: list[str] = []  # whose answer was asked for, and no longer is
        self._withdrawn_commits = 0  # whose words are still to come

    def take(self, event: SpeechEvent) -> None:
        """Take an event of the recogniser."""
        match event:
            case Transcript(text, final=True):
                if not self._skips_open and has_word(text):
                    self._words = [" ".join([*self._words, text.strip()])[-MAX_CHARACTERS:]]
                self._open = self._skips_open = False
            case SpeechEnded():
                pass  # its transcript follows
            case _:
                self._open = True
        self._moved.set()

    def discard(self) -> None:
        """Forget what was said since the last commit, unless the words of that one are still to come."""
        if self._commits:
            return  # what is recognised now was said before the commit
        self._words.clear()
        self._skips_open = self._open

    def commit(self) -> Coroutine[Any, Any, None]:
        """End the turn. Returns what reports its words as soon as they are known."""
        self._commits += 1
        return self._finish()

    async def _finish(self) -> None:
        try:
            self._end_audio()
            await self._recognised()
            text, self._words = " ".join(self._words), []
            if self._withdrawn_commits:
                self._withdrawn_commits -= 1
                self._withdrawn = _latest(*self._withdrawn, text)
            else:
                self._committed = _latest(*self._committed, text)
            await self._tell(TurnCommitted(text))
        finally:
            self._commits -= 1
        await self._answer()

    async def respond(self, text: str) -> None:
        """Answer what was committed, as soon as it is known. `text` was typed before it."""
        self._asked = text
        await self._answer()

    async def withdraw(self) -> None:
        """Take back the request for an answer, if the words are not known yet. They are answered with the next one."""
        if self._asked is not None:
            self._withdrawn = _latest(*self._withdrawn, self._asked, *self._committed)
            self._committed, self._asked, self._withdrawn_commits = [], None, self._commits
            await self._tell(AnswerWithdrawn())

    async def _answer(self) -> None:
        if self._asked is None or self._commits:
            return
        parts = [*self._withdrawn, self._asked, *self._committed]
        self._withdrawn, self._committed, self._asked = [], [], None
        text = "\n".join(part for part in parts if part.strip())
        if has_word(text):
            await self._dispatch(TurnFinished(text, asked=True))
        else:
            await self._tell(Problem("nothing_heard", "No words were recognised in the audio.", unanswered=True))

    async def _recognised(self) -> None:
        """Wait for the final transcript of what was committed."""
        with suppress(TimeoutError):
            async with asyncio.timeout(COMMIT_TIMEOUT_S):
                while True:
                    self._moved.clear()
                    quiet_s = COMMIT_TIMEOUT_S if self._open else COMMIT_QUIET_S if self._words else COMMIT_SILENCE_S
                    async with asyncio.timeout(quiet_s):
                        await self._moved.wait()
                    if self._words and not self._open:
                        return


def _latest(*parts: str) -> list[str]:
    """Return texts as one, without what is too much at the beginning."""
    return ["\n".join(part for part in parts if part.strip())[-MAX_CHARACTERS:]]
