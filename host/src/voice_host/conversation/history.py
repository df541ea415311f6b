"""The history of a conversation: what caller and agent heard of each other, and what tools did."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from pydantic import ValidationError
from pydantic_ai.messages import (
    ModelMessage,
    ModelMessagesTypeAdapter,
    ModelRequest,
    ModelRequestPart,
    ModelResponse,
    RetryFeedbackPart,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)
from pydantic_core import from_json

from voice_host.conversation.tool_results import to_jsonable

CUT_MARK = " [interrupted by the caller]"
"""Appended to the text of a reply that the caller interrupted, so that the model knows the rest was not heard."""

SKIPPED_MARK = " [the caller's line lost what is marked […]]"
"""The same for a reply of which parts were skipped, because the caller's network was too slow."""

HUSH_MARK = " [the caller pressed keys instead of hearing all of it]"
"""The same for a reply that went on silently when the caller pressed a telephone key."""

FAULT_MARK = " [broke off]"
"""The same for a reply that the model did not finish."""

NO_RESULT = "Interrupted before it had a result. It may or may not have been done."
"""The result of a tool that was cancelled with its reply."""

STILL_RUNNING = "The caller interrupted, and it goes on: its result is not known yet. Do not begin it again."
"""The result of a tool that outlives its reply, until it ends."""

MAX_MESSAGES = 400
"""Messages a history keeps, some hours of talk; older turns are dropped."""


def kept_messages(
    messages: Sequence[ModelMessage],
    prompt: str,
    heard: str | None,
    results: Mapping[str, tuple[Any, bool]],
    *,
    mark: str = CUT_MARK,
    running: Collection[str] = (),
) -> list[ModelMessage]:
    """Return the messages of one run as the history keeps them.

    Args:
        messages: what the run produced, complete or not.
        prompt: the user's turn; kept even if the run did not record it.
        heard: None if the reply was heard whole. Otherwise the part that was audible: text that nobody heard is
            dropped, and tools that ran are kept with their results.
        results: result and success of tool calls by id, for calls whose result the run did not record.
        mark: appended to what was heard of a reply that was cut.
        running: ids of calls that are still running; see `replace_result`.
    """
    if not messages:
        messages = [ModelRequest(parts=[UserPromptPart(prompt)])]
    if heard is None:
        return _without_empty_responses(messages)

    kept: list[ModelMessage] = []
    for message in messages:
        if isinstance(message, ModelResponse):
            calls = [part for part in message.parts if isinstance(part, ToolCallPart)]
            if calls:
                kept.append(ModelResponse(parts=calls, model_name=message.model_name))
                kept.append(ModelRequest(parts=_returns(calls, messages, results, running)))
        else:
            prompts = [part for part in message.parts if isinstance(part, UserPromptPart)]
            if prompts:
                kept.append(ModelRequest(parts=prompts))
    if heard.strip():
        kept.append(ModelResponse(parts=[TextPart(heard.rstrip() + mark)]))
    return kept


def _without_empty_responses(messages: Sequence[ModelMessage]) -> list[ModelMessage]:
    """Drop responses without text or calls, and the requests to try again that followed them: services reject them."""
    kept: list[ModelMessage] = []
    for message in messages:
        if isinstance(message, ModelResponse):
            parts = [part for part in message.parts if not isinstance(part, TextPart) or part.content]
            if not all(isinstance(part, ThinkingPart) for part in parts):
                kept.append(replace(message, parts=parts))
        elif not all(isinstance(part, RetryFeedbackPart) for part in message.parts):
            kept.append(message)
    return kept


def replace_result(history: list[ModelMessage], call_id: str, content: Any, *, ok: bool) -> bool:
    """Set the result of a tool that ended after its reply was cut.

    Returns:
        whether the history still has that call.
    """
    for index, message in enumerate(history):
        if isinstance(message, ModelRequest) and any(_has_no_result(part, call_id) for part in message.parts):
            parts = [
                replace(part, content=content, outcome="success" if ok else "failed")
                if isinstance(part, ToolReturnPart) and _has_no_result(part, call_id)
                else part
                for part in message.parts
            ]
            history[index] = replace(message, parts=parts)
            return True
    return False


def _has_no_result(part: ModelRequestPart, call_id: str) -> bool:
    return isinstance(part, ToolReturnPart) and part.tool_call_id == call_id and part.outcome == "interrupted"


def spoken(text: str) -> ModelResponse:
    """Return what the agent said without being asked (a greeting, `Session.say`) as a message."""
    return ModelResponse(parts=[TextPart(text)])


def is_prompt(message: ModelMessage, text: str) -> bool:
    """Whether a message is the user's turn `text` and nothing else."""
    if not isinstance(message, ModelRequest) or len(message.parts) != 1:
        return False
    part = message.parts[0]
    return isinstance(part, UserPromptPart) and part.content == text


def trim(history: list[ModelMessage]) -> None:
    """Drop the oldest turns beyond `MAX_MESSAGES`, and only whole ones."""
    if len(history) > MAX_MESSAGES:
        del history[: _turn_from(history, len(history) - MAX_MESSAGES)]


def to_plain(history: Sequence[ModelMessage], max_bytes: int) -> list[dict[str, Any]]:
    """Return a history as JSON's types, for `from_plain`; if it is too large, without its oldest turns."""
    lines = [message_json(message) for message in history]
    return [from_json(line) for line in lines[first_within(history, [*map(len, lines)], max_bytes) :]]


def message_json(message: ModelMessage) -> bytes:
    """Return a message as JSON, UTF-8, on one line.

    Instructions are left out: each request to the model has the agent's.
    """
    if isinstance(message, ModelRequest) and message.instructions is not None:
        message = replace(message, instructions=None)
    return ModelMessagesTypeAdapter.dump_json([message], fallback=to_jsonable)[1:-1]


def build_schema() -> None:
    """Build pydantic-ai's schema of messages, which takes up to 0.3 s, instead of with the first message."""
    ModelMessagesTypeAdapter.rebuild()


def first_within(history: Sequence[ModelMessage], sizes: Sequence[int], max_bytes: int) -> int:
    """Return the place from which on a history takes at most `max_bytes`.

    A user's turn begins there, so that no tool call lacks its result.

    Args:
        sizes: of the messages as JSON.
    """
    if sum(sizes) + len(sizes) <= max_bytes:
        return 0
    start, room = len(history), max_bytes
    while start and (room := room - sizes[start - 1] - 1) >= 0:
        start -= 1
    return _turn_from(history, start) if start else 0


def from_plain(plain: Sequence[Mapping[str, Any]]) -> list[ModelMessage]:
    """Return the history for what `to_plain` returned. Tools that were running then are marked as interrupted.

    Raises:
        ValueError: it is not valid. The message does not contain it.
    """
    try:
        history = ModelMessagesTypeAdapter.validate_python(list(plain))
    except ValidationError:
        raise ValueError("these are not messages of pydantic-ai") from None
    return [_without_running_tools(message) for message in history]


def _without_running_tools(message: ModelMessage) -> ModelMessage:
    if not isinstance(message, ModelRequest):
        return message
    parts = [
        replace(part, content=NO_RESULT)  # type: ignore[arg-type]
        if isinstance(part, ToolReturnPart) and part.outcome == "interrupted" and part.content == STILL_RUNNING
        else part
        for part in message.parts
    ]
    return replace(message, parts=parts)


def _turn_from(history: Sequence[ModelMessage], start: int) -> int:
    """Return the place of the first message from `start` on with which a user's turn begins."""
    while start < len(history) and not _begins_turn(history[start]):
        start += 1
    return start


def _begins_turn(message: ModelMessage) -> bool:
    return isinstance(message, ModelRequest) and any(isinstance(part, UserPromptPart) for part in message.parts)


def _returns(
    calls: Sequence[ToolCallPart],
    messages: Sequence[ModelMessage],
    results: Mapping[str, tuple[Any, bool]],
    running: Collection[str],
) -> list[ModelRequestPart]:
    """Return one result per call: services reject a history in which a call has none."""
    recorded = {
        part.tool_call_id: part for message in messages for part in message.parts if isinstance(part, ToolReturnPart)
    }
    returns: list[ModelRequestPart] = []
    for call in calls:
        if known := recorded.get(call.tool_call_id):
            returns.append(known)
        elif call.tool_call_id in results:
            content, ok = results[call.tool_call_id]
            outcome = "success" if ok else "failed"
            returns.append(ToolReturnPart(call.tool_name, content, call.tool_call_id, outcome=outcome))  # type: ignore[arg-type]
        else:
            text = STILL_RUNNING if call.tool_call_id in running else NO_RESULT
            returns.append(ToolReturnPart(call.tool_name, text, call.tool_call_id, outcome="interrupted"))
    return returns
