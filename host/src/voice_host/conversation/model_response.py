"""Corrects a model's response before its tools run and the history keeps it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from pydantic_ai.messages import FinishReason, ModelResponse, ModelResponsePart, TextPart, ThinkingPart, ToolCallPart

from voice_host.models.thoughts import without_thoughts
from voice_host.models.written_calls import WrittenCall
from voice_host.plain_data import valid_unicode

TRUNCATION_MARKS: dict[FinishReason | None, str] = {
    "content_filter": " [broken off by a content filter]",
    "length": " [broken off: too long]",
}
"""Appended to the text of a response that the service cut short, so that the model knows that it is incomplete."""


def normalise_response(response: ModelResponse, written: Sequence[WrittenCall]) -> None:
    """Correct a response in place.

    Reasoning and lone surrogates are removed from its text, missing arguments become an empty JSON object, and the tool
    calls that the model wrote as text (`written`) become calls.
    """
    parts = [kept for part in response.parts for kept in _kept(part)]
    response.parts = [*parts, *(ToolCallPart(call.name, call.arguments) for call in written)]


def says_nothing(response: ModelResponse) -> bool:
    """Whether a response has neither text nor tool calls."""
    return all(
        isinstance(part, ThinkingPart) or (isinstance(part, TextPart) and not part.content.strip())
        for part in response.parts
    )


def refusal_of(response: ModelResponse) -> str | None:
    """Return the refusal of a response without text; some services send it in a field of its own."""
    refusal = (response.provider_details or {}).get("refusal")
    return valid_unicode(refusal) if isinstance(refusal, str) and refusal.strip() and says_nothing(response) else None


def mark_truncated(response: ModelResponse, mark: str) -> None:
    """Append a mark to the text of a response."""
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
