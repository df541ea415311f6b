"""A reply's text on its way to speech: text in pieces, clauses, utterances, playout."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

from voice_host.session.reply import Reply
from voice_host.text import ClauseSplitter
from voice_host_sdk import TextToSpeechStream

CLAUSE_DEADLINE_S = 0.1
"""A sentence that looks finished is spoken when the model pauses for so long, without waiting for what comes next."""


async def clauses(texts: asyncio.Queue[str | None]) -> AsyncIterator[str]:
    """Cut the stream of text into clauses, as early as is safe."""
    splitter = ClauseSplitter()
    waited = False
    while True:
        try:
            async with asyncio.timeout(CLAUSE_DEADLINE_S if splitter.pending and not waited else None):
                text = await texts.get()
        except TimeoutError:
            waited = True
            if clause := splitter.deadline():
                yield clause
            continue
        waited = False
        for clause in _feed(splitter, text):
            yield clause
        if text is None:
            return


def _feed(splitter: ClauseSplitter, text: str | None) -> list[str]:
    if text is not None:
        return splitter.feed(text)
    rest = splitter.flush()
    return [rest] if rest else []


async def speak(voice: TextToSpeechStream, reply: Reply, clause: str, clean: Callable[[str], str]) -> None:
    """Speak one clause into the reply's playout.

    Raises:
        ProviderError: the voice failed.
    """
    spoken = clean(clause)
    if not spoken.strip():
        return
    reply.stages.reach("first_clause")
    utterance = await voice.utterance()
    try:
        await utterance.send_text(spoken)
        await utterance.end()
        reply.playout.begin_clause(clause)
        async for audio in utterance:
            reply.stages.reach("first_audio_in")
            await reply.playout.write(audio)
        reply.playout.end_clause()
    finally:
        await utterance.aclose()
