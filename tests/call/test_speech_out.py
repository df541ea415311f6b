"""How a reply's text is split while it comes in: what waits for the next word, and for how long."""

from __future__ import annotations

import asyncio

import pytest

from voice_host.call.reply import Filler
from voice_host.call.speech_out import CLAUSE_DEADLINE_S, pieces
from voice_host.testing import in_virtual_time
from voice_host.text import wording_for


async def spoken(*script: tuple[float, str | Filler | None], busy_s: float = 0.0) -> list[tuple[float, str]]:
    """Put texts into the queue, each so long after the one before, and return what was said and when.

    Args:
        busy_s: how long whoever takes the pieces is busy with each.
    """
    texts: asyncio.Queue[str | Filler | None] = asyncio.Queue()
    loop = asyncio.get_running_loop()
    began_s = loop.time()

    async def write() -> None:
        for wait_s, text in script:
            await asyncio.sleep(wait_s)
            texts.put_nowait(text)

    writing = asyncio.create_task(write())
    said: list[tuple[float, str]] = []
    async for piece in pieces(texts, wording_for(True, ())):
        said.append((round(loop.time() - began_s, 3), piece.text if isinstance(piece, Filler) else piece.spoken))
        await asyncio.sleep(busy_s)
    await writing
    return [(at_s, text) for at_s, text in said if text.strip()]


def text_of(said: list[tuple[float, str]]) -> str:
    """Return all that was said, with single spaces."""
    return " ".join(" ".join(text for _, text in said).split())


@in_virtual_time
async def test_a_sentence_that_looks_finished_is_spoken_when_the_model_pauses() -> None:
    said = await spoken((0, "It costs 5 dollars."), (1.0, " Thanks."), (1.0, None))
    assert text_of(said) == "It costs five dollars. Thanks."
    assert next(at_s for at_s, text in said if "dollars" in text) == CLAUSE_DEADLINE_S


@in_virtual_time
async def test_words_that_keep_coming_put_the_pause_off() -> None:
    words = [(0.09, f" {word}") for word in ["It", "costs", "5", "dollars", "and", "20"]]
    said = await spoken(*words, (0.09, " cents."), (1.0, None))
    assert next(at_s for at_s, text in said if "cents" in text) == pytest.approx(0.63 + CLAUSE_DEADLINE_S)


@in_virtual_time
async def test_time_in_which_the_voice_is_busy_is_no_pause_of_the_model() -> None:
    script = ((0, "Well, now I think you go to"), (0.14, " example."), (0.12, "com now."), (1, None))
    said = await spoken(*script, busy_s=0.05)
    assert text_of(said) == "Well, now I think you go to example dot com now."


@in_virtual_time
async def test_a_filler_goes_between_sentences() -> None:
    said = await spoken((0, "Let me look."), (0.01, Filler("One moment.")), (0, "Here."), (0, None))
    assert text_of(said) == "Let me look. One moment. Here."
