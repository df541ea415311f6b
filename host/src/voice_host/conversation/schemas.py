"""One answer of a model: what is put right in it before its tools run and the history keeps it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from pydantic_ai.messages import FinishReason, ModelResponse, ModelResponsePart, TextPart, ThinkingPart, ToolCallPart

from voice_host.models.thoughts import without_thoughts
from voice_host.models.written_calls import WrittenCall
from voice_host.valid_unicode import valid_unicode

BROKEN_OFF: dict[FinishReason | None, str] = {
    "content_filter": " [broken off by a content filter]",
    "length": " [broken off: too long]",
}
"""What ends the text of an answer that the service broke off, so that the model knows that it was not complete."""


def normalise_answer(response: ModelResponse, written: Sequence[WrittenCall]) -> None:
    """Make an answer one that can be acted on and kept.

    Text has no thoughts and no half surrogate pairs, arguments are a JSON object where they were nothing, and calls
    that the model `written` into its text are made.
    """
    parts = [kept for part in response.parts for kept in _kept(part)]
    response.parts = [*parts, *(ToolCallPart(call.name, call.arguments) for call in written)]


def says_nothing(response: ModelResponse) -> bool:
    """Whether an answer has neither words nor calls."""
    return all(
        isinstance(part, ThinkingPart) or (isinstance(part, TextPart) and not part.content.strip())
        for part in response.parts
    )


def refusal_of(response: ModelResponse) -> str | None:
    """Return why the model refuses, where that is all that it says; some services send it beside the text."""
    refusal = (response.provider_details or {}).get("refusal")
    return valid_unicode(refusal) if isinstance(refusal, str) and refusal.strip() and says_nothing(response) else None


def mark_broken_off(response: ModelResponse, mark: str) -> None:
    """End the text of an answer with a mark."""
    for place, part in reversed(list(enumerate(response.parts))):
        if isinstance(part, TextPart) and part.content.strip():
            marked = replace(part, content=part.content.rstrip() + mark)
            response.parts = [*response.parts[:place], marked, *response.parts[place + 1 :]]
            return


def _kept(part: ModelResponsePart) -> Iterator[ModelResponsePart]:
    if isinstance(part, TextPart):
        text = without_thoughts(part.content)
        yield part if text == part.content else replace(part, content=text)
    elif isinstance(part, ToolCallPart) and isinstance(part.args, str):
        args = "{}" if part.args.strip() == "null" else valid_unicode(part.args)
        yield part if args == part.args else replace(part, args=args)
    else:
        yield part
