"""Whatever happens to a run, what the history keeps of it can be sent to a provider and holds only what was heard."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from pydantic_ai.messages import (
    ModelMessage,
    ModelRequest,
    ModelResponse,
    TextPart,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)

from voice_host.conversation.history import CUT_MARK, settle


@st.composite
def runs(draw: st.DrawFn) -> tuple[list[ModelMessage], dict[str, tuple[Any, bool]]]:
    """A run cut anywhere: results of tools are recorded, or known to the host alone, or there are none."""
    messages: list[ModelMessage] = [ModelRequest(parts=[UserPromptPart("question")])]
    results: dict[str, tuple[Any, bool]] = {}
    for step in range(draw(st.integers(0, 3))):
        calls = [ToolCallPart("look", "{}", f"{step}-{n}") for n in range(draw(st.integers(1, 3)))]
        text = [TextPart("unheard words")] if draw(st.booleans()) else []
        messages.append(ModelResponse(parts=[*text, *calls]))
        recorded = [call for call in calls if draw(st.booleans())]
        for call in calls:
            if call not in recorded and draw(st.booleans()):
                results[call.tool_call_id] = ("found", draw(st.booleans()))
        messages.append(ModelRequest(parts=[ToolReturnPart("look", "found", call.tool_call_id) for call in recorded]))
    if draw(st.booleans()):
        messages.append(ModelResponse(parts=[TextPart("unheard words")]))
    return messages[: draw(st.integers(0, len(messages)))], results


@given(runs(), st.sampled_from(["", "  ", "We open"]))
def test_a_cut_run_leaves_a_valid_history(
    run: tuple[list[ModelMessage], dict[str, tuple[Any, bool]]], heard: str
) -> None:
    messages, results = run
    kept = settle(messages, "question", heard, results)
    assert isinstance(kept[0], ModelRequest)
    assert isinstance(kept[0].parts[0], UserPromptPart)
    assert all(message.parts for message in kept), "an empty message is refused"
    for message, following in zip(kept, [*kept[1:], None], strict=True):
        calls = [part.tool_call_id for part in message.parts if isinstance(part, ToolCallPart)]
        if calls:
            assert following is not None
            assert [getattr(part, "tool_call_id", None) for part in following.parts] == calls
    texts = [part.content for message in kept for part in message.parts if isinstance(part, TextPart)]
    assert texts == ([heard + CUT_MARK] if heard.strip() else [])


def test_a_run_that_was_heard_whole_is_kept_as_it_is() -> None:
    messages: list[ModelMessage] = [
        ModelRequest(parts=[UserPromptPart("question")]),
        ModelResponse(parts=[TextPart("answer")]),
    ]
    assert settle(messages, "question", None, {}) == messages
