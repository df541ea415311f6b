"""What the gateway accepts: the strict part of its simulator. What it refuses in the field is refused here."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

_ROLES = {"system", "user", "assistant", "tool"}


def refusal(body: Any) -> str | None:
    """Return why a request to `/chat/completions` is refused; None when it is fine."""
    if not isinstance(body, dict):
        return "the body is not a JSON object"
    if not isinstance(body.get("model"), str) or not body["model"]:
        return "model: a name is required"
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        return "messages: at least one is required"
    open_calls: set[str] = set()
    for index, message in enumerate(messages):
        reason = _message_refusal(message, open_calls)
        if reason is not None:
            return f"messages[{index}]: {reason}"
    if open_calls:
        return f"tool calls without a result: {sorted(open_calls)}"
    return _tools_refusal(body.get("tools")) or _settings_refusal(body)


def _settings_refusal(body: Mapping[str, Any]) -> str | None:
    temperature = body.get("temperature", 1)
    if not isinstance(temperature, int | float) or not 0 <= temperature <= 2:
        return "temperature: must be a number from 0 to 2"
    limit = body.get("max_tokens", body.get("max_completion_tokens", 1))
    if not isinstance(limit, int) or limit < 1:
        return "max_tokens: must be a whole number of at least 1"
    return None


def _message_refusal(message: Any, open_calls: set[str]) -> str | None:
    if not isinstance(message, dict) or message.get("role") not in _ROLES:
        return "unknown role"
    role, calls = message["role"], message.get("tool_calls")
    if role == "tool":
        call_id = message.get("tool_call_id")
        if call_id not in open_calls:
            return f"no tool call has the id {call_id!r}"
        open_calls.discard(call_id)
    elif open_calls:
        return f"tool calls without a result: {sorted(open_calls)}"
    if calls is not None:
        if role != "assistant" or not isinstance(calls, list) or not calls:
            return "tool_calls belong to an assistant and are not empty"
        for call in calls:
            if reason := _call_refusal(call):
                return reason
            open_calls.add(call["id"])
    return _content_refusal(message, has_calls=bool(calls))


def _content_refusal(message: Mapping[str, Any], *, has_calls: bool) -> str | None:
    if "content" not in message and has_calls:
        return None
    content = message.get("content")
    texts = [part.get("text") for part in content] if isinstance(content, list) else [content]
    if not texts or not all(isinstance(text, str) and text.strip() for text in texts):
        return "message content must not be empty"
    return None


def _call_refusal(call: Any) -> str | None:
    if not isinstance(call, dict) or not call.get("id") or call.get("type") != "function":
        return "a tool call needs an id and the type function"
    function = call.get("function")
    if not isinstance(function, dict) or not function.get("name"):
        return "a tool call needs the name of a function"
    try:
        arguments = json.loads(function.get("arguments", ""))
    except (TypeError, ValueError):
        return "the arguments of a tool call are not JSON"
    return None if isinstance(arguments, dict) else "the arguments of a tool call are not an object"


def _tools_refusal(tools: Any) -> str | None:
    if tools is None:
        return None
    if not isinstance(tools, list) or not tools:
        return "tools: must not be empty"
    for tool in tools:
        function = tool.get("function") if isinstance(tool, dict) else None
        if not isinstance(function, dict) or tool.get("type") != "function" or not function.get("name"):
            return "tools: each needs the type function and a name"
        if function.get("parameters", {}).get("type") != "object":
            return "tools: parameters must be of type object"
    return None
