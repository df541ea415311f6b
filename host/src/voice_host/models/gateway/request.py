"""Converts pydantic-ai's messages, tools and settings to the JSON body of a chat completions request."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic_ai.exceptions import UserError
from pydantic_ai.messages import (
    CachePoint,
    ModelMessage,
    ModelRequest,
    ModelResponse,
    SystemPromptPart,
    TextContent,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)
from pydantic_ai.models import ModelRequestParameters
from pydantic_ai.profiles.openai import OPENAI_REASONING_EFFORT_MAP, SAMPLING_PARAMS, OpenAIModelProfile
from pydantic_ai.tools import ToolDefinition

from voice_host.models.gateway.chunks import JsonObject

PROVIDER_NAME = "llm-gateway"
"""`provider_name` of the gateway's responses, whose thoughts are sent back to it."""

EMPTY_RESULT = "(no output)"
"""Replaces the empty result of a tool: the gateway refuses empty content, and a call without a result."""

REASONING_FIELDS = ("reasoning", "reasoning_content")
"""Fields for a model's thoughts: the first is used by Ollama and vLLM, the second by DeepSeek."""

_EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")

_FIELDS = {
    "max_tokens": "max_tokens",
    "temperature": "temperature",
    "top_p": "top_p",
    "seed": "seed",
    "presence_penalty": "presence_penalty",
    "frequency_penalty": "frequency_penalty",
    "logit_bias": "logit_bias",
    "stop_sequences": "stop",
    "service_tier": "service_tier",
    "openai_service_tier": "service_tier",
    "openai_text_verbosity": "verbosity",
    "openai_user": "user",
    "openai_store": "store",
    "openai_prediction": "prediction",
    "openai_prompt_cache_key": "prompt_cache_key",
    "openai_prompt_cache_retention": "prompt_cache_retention",
    "openai_prompt_cache_options": "prompt_cache_options",
}
"""The settings that are sent, with their fields in the request. A later one replaces an earlier one."""


def request_body(
    model_name: str,
    messages: Sequence[ModelMessage],
    settings: Mapping[str, Any],
    parameters: ModelRequestParameters,
    profile: OpenAIModelProfile,
) -> JsonObject:
    """Return the body of a streamed request.

    Args:
        messages: as `Model.prepare_messages` returns them.
        settings: as `Model.prepare_request` returns them, like `parameters`.

    Raises:
        UserError: a message contains something other than text, or was not prepared.
    """
    body: JsonObject = {
        "model": model_name,
        "messages": without_empty_content(_messages(messages, parameters)),
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    if tools := [_tool(tool) for tool in parameters.declared_tool_defs.values()]:
        body["tools"] = tools
        body["tool_choice"] = _tool_choice(settings, parameters)
        if (parallel := settings.get("parallel_tool_calls")) is not None:
            body["parallel_tool_calls"] = parallel
    if (effort := _reasoning_effort(settings, parameters, profile)) is not None:
        body["reasoning_effort"] = effort
    refused = SAMPLING_PARAMS if _refuses_sampling(effort, profile) else ()
    for name, field in _FIELDS.items():
        if name not in refused and (value := settings.get(name)) is not None:
            body[field] = value
    return body | (settings.get("extra_body") or {})


def without_empty_content(messages: Sequence[Mapping[str, Any]]) -> list[JsonObject]:
    """Return the messages of a request without empty content, which the gateway refuses.

    An empty message is dropped, `content` is left out of tool calls, and a tool's empty result is replaced by a text.
    """
    kept: list[JsonObject] = []
    for message in messages:
        content = message.get("content")
        if content.strip() if isinstance(content, str) else content:
            kept.append(dict(message))
        elif message.get("tool_calls"):
            kept.append({key: value for key, value in message.items() if key != "content"})
        elif message.get("role") == "tool":
            kept.append({**message, "content": EMPTY_RESULT})
    return kept


# --- messages -------------------------------------------------------------------------------------------------------


def _messages(messages: Sequence[ModelMessage], parameters: ModelRequestParameters) -> list[JsonObject]:
    mapped: list[JsonObject] = []
    for message in messages:
        if isinstance(message, ModelRequest):
            mapped += _request_messages(message)
        else:
            mapped.append(_assistant_message(message))
    _add_missing_reasoning(mapped)
    leading = next((i for i, message in enumerate(mapped) if message["role"] != "system"), len(mapped))
    # One system message at most: some servers refuse another.
    system = [message["content"] for message in mapped[:leading]] + list(_instructions(messages, parameters))
    return [{"role": "system", "content": "\n\n".join(system)}, *mapped[leading:]] if system else mapped


def _instructions(messages: Sequence[ModelMessage], parameters: ModelRequestParameters) -> Iterator[str]:
    if parameters.instruction_parts is not None:
        yield from (part.content for part in parameters.instruction_parts)
        return
    # Without an agent, they are in the last request that has instructions.
    requests = (message for message in reversed(messages) if isinstance(message, ModelRequest))
    if found := next((request.instructions for request in requests if request.instructions), None):
        yield found


def _request_messages(request: ModelRequest) -> Iterator[JsonObject]:
    for part in request.parts:
        match part:
            case SystemPromptPart():
                yield {"role": "system", "content": part.content}
            case UserPromptPart():
                yield {"role": "user", "content": _user_content(part)}
            case ToolReturnPart():
                yield {"role": "tool", "tool_call_id": part.tool_call_id, "content": part.model_response_str()}
            case _:
                raise UserError(f"A {type(part).__name__} cannot be sent: call `Model.prepare_messages` first.")


def _user_content(part: UserPromptPart) -> str | list[JsonObject]:
    if isinstance(part.content, str):
        return part.content
    content: list[JsonObject] = []
    for item in part.content:
        if isinstance(item, (str, TextContent)):
            content.append({"type": "text", "text": item if isinstance(item, str) else item.content})
        elif not isinstance(item, CachePoint):
            raise UserError(f"The gateway's models take text only, and the prompt holds a {type(item).__name__}.")
    return content


def _assistant_message(response: ModelResponse) -> JsonObject:
    texts: list[str] = []
    calls: list[JsonObject] = []
    thoughts: dict[str, list[str]] = {}
    for part in response.parts:
        match part:
            case TextPart():
                texts.append(part.content)
            case ToolCallPart():
                function = {"name": part.tool_name, "arguments": part.args_as_json_str()}
                calls.append({"id": part.tool_call_id, "type": "function", "function": function})
            case ThinkingPart(id=str(field)) if part.provider_name == PROVIDER_NAME and field in REASONING_FIELDS:
                thoughts.setdefault(field, []).append(part.content)
            case _:  # thoughts and files of other models
                continue
    message: JsonObject = {"role": "assistant", "content": "\n\n".join(texts)}
    if texts or calls:
        message |= {field: "\n\n".join(contents) for field, contents in thoughts.items()}
    if calls:
        message["tool_calls"] = calls
    return message


def _add_missing_reasoning(messages: list[JsonObject]) -> None:
    """Give each tool call of the current turn a field for thoughts, if another one has it.

    DeepSeek refuses a turn in which only some have it, as after a fallback to another model.
    """
    sent = {field for message in messages for field in REASONING_FIELDS if field in message}
    if len(sent) != 1:
        return
    [field] = sent
    for message in reversed(messages):
        if message["role"] == "user":
            return
        if "tool_calls" in message:
            message.setdefault(field, "")


# --- tools and settings ---------------------------------------------------------------------------------------------


def _tool(tool: ToolDefinition) -> JsonObject:
    function: JsonObject = {
        "name": tool.name,
        "description": tool.description or "",
        "parameters": tool.parameters_json_schema,
    }
    if tool.strict:
        function["strict"] = True
    return {"type": "function", "function": function}


def _tool_choice(settings: Mapping[str, Any], parameters: ModelRequestParameters) -> str:
    choice = settings.get("tool_choice")
    if choice in ("none", "required"):
        return str(choice)
    return "auto" if parameters.allow_text_output else "required"


def _reasoning_effort(
    settings: Mapping[str, Any], parameters: ModelRequestParameters, profile: OpenAIModelProfile
) -> str | None:
    """Return the supported effort that is closest to the requested one; None: the model's default."""
    if effort := settings.get("openai_reasoning_effort"):
        return str(effort)
    if parameters.thinking is None:
        return None
    effort = OPENAI_REASONING_EFFORT_MAP[parameters.thinking]
    if supported := profile.get("openai_reasoning_efforts"):
        enough = [more for more in _EFFORTS[_EFFORTS.index(effort) :] if more in supported]
        return enough[0] if enough else max(supported, key=_EFFORTS.index)
    if effort == "none" and profile.get("thinking_always_enabled", False):
        return None
    if effort == "minimal" and not profile.get("openai_supports_minimal_reasoning_effort", True):
        return "low"
    return effort


def _refuses_sampling(effort: str | None, profile: OpenAIModelProfile) -> bool:
    """Whether a reasoning model refuses `temperature` and similar settings, as it does if it thinks."""
    if not profile.get("openai_supports_reasoning", False):
        return False
    thinks = effort != "none" if effort is not None else profile.get("thinking_enabled_by_default", False)
    return thinks or not profile.get("openai_supports_reasoning_effort_none", False)
