"""Whatever happens to a run, what the history keeps of it can be sent to a provider and holds only what was heard."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_ai.messages import (
    ModelMessage,
    ModelRequest,
    ModelResponse,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)

from voice_host.conversation.history import CUT_MARK, from_plain, kept_messages, spoken, to_plain


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
    kept = kept_messages(messages, "question", heard, results)
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
    assert kept_messages(messages, "question", None, {}) == messages


def a_turn(number: int) -> list[ModelMessage]:
    call = ToolCallPart("look", '{"n": 1}', f"call-{number}")
    return [
        ModelRequest(parts=[UserPromptPart(f"question {number}")], instructions="Be brief."),
        ModelResponse(parts=[call]),
        ModelRequest(parts=[ToolReturnPart("look", {"found": "ü" * 50}, f"call-{number}")], instructions="Be brief."),
        ModelResponse(parts=[ThinkingPart("Hm.", signature="s"), TextPart(f"answer {number}")]),
    ]


def test_a_history_comes_back_as_it_was_but_for_instructions() -> None:
    history = [spoken("Hello."), *a_turn(0), *a_turn(1)]
    plain = json.loads(json.dumps(to_plain(history, 100_000)))
    assert "Be brief" not in str(plain)
    assert from_plain(plain) == [
        replace(message, instructions=None) if isinstance(message, ModelRequest) else message for message in history
    ]


@pytest.mark.parametrize("max_bytes", range(0, 5000, 97))
def test_of_a_history_that_is_too_large_whole_turns_are_left_out(max_bytes: int) -> None:
    history = [spoken("Hello."), *a_turn(0), *a_turn(1), *a_turn(2)]
    plain = to_plain(history, max_bytes)
    assert len(json.dumps(plain, ensure_ascii=False, separators=(",", ":")).encode()) <= max(max_bytes, 2)
    assert len(plain) in (0, 4, 8, 12, 13)
    kept = from_plain(plain)
    assert not kept or kept[-1].parts[-1] == TextPart("answer 2")
    assert len(kept) == 13 or not kept or isinstance(kept[0].parts[0], UserPromptPart)


def test_what_a_tool_left_in_a_history_can_always_be_written() -> None:
    strange = ToolReturnPart("look", "x", "call-0", metadata={"connection": object()})
    history = [*a_turn(0)[:2], ModelRequest(parts=[strange])]
    assert "object object" in json.dumps(to_plain(history, 100_000))


def test_messages_of_another_kind_are_refused_without_repeating_them() -> None:
    with pytest.raises(ValueError, match=r"not messages of pydantic-ai$") as refused:
        from_plain([{"kind": "request", "parts": [{"secret": "words"}]}])
    assert refused.value.__cause__ is None
