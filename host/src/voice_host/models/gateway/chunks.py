"""Normalizes chunks of streamed responses to OpenAI's format. Pure functions on JSON.

Deviations seen at the gateway and at compatible servers: `id`, `object`, `created` or `index` missing;
`finish_reason` with Anthropic's values; `choices` null; tool calls beside the delta; tool calls without `id`, `type` or
`index`, or all with the same index; `null` for no arguments; content in a list of parts; refusals beside the text.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from voice_host.models.written_calls import WrittenCall

JsonObject = dict[str, Any]

_FINISH_REASONS = {"end_turn": "stop", "stop_sequence": "stop", "tool_use": "tool_calls", "max_tokens": "length"}

_BESIDE_TEXT = ("tool_calls", "refusal", "reasoning", "reasoning_content", "annotations")
"""Fields of a delta whose content is not spoken, or not directly."""


class ChunkNormalizer:
    """Converts the chunks of one response to OpenAI's format, and tracks the state of the response.

    Attributes:
        has_text: whether there was any text.
        finished: whether there was a finish reason; only usage may follow.
    """

    def __init__(self) -> None:
        self._calls: list[_StreamedCall] = []
        self.has_text = False
        self.finished = False

    @property
    def has_calls(self) -> bool:
        return bool(self._calls)

    @property
    def calls_complete(self) -> bool:
        """Whether the arguments of each tool call are a complete JSON object."""
        return all(_is_json_object(call.arguments) for call in self._calls)

    def normalize(self, data: Mapping[str, Any]) -> JsonObject:
        """Return a chunk in OpenAI's format; without choices, it gets an empty list.

        A whole completion, which some servers send instead of a stream, becomes one chunk.
        """
        choices = []
        for index, choice in enumerate(_objects(data.get("choices"))):
            delta = _mapping(choice.get("delta") or choice.get("message"))
            calls = _objects(delta.get("tool_calls") or choice.get("tool_calls"))
            delta["tool_calls"] = [self._call_delta(call) for call in calls] or None
            _join_content_parts(delta)
            _move_refusal_into_content(delta)
            reason = _text(choice.get("finish_reason")) or ""
            plain = {
                "index": choice.get("index") or index,
                "finish_reason": _FINISH_REASONS.get(reason, reason) or None,
                "logprobs": _mapping(choice.get("logprobs")) or None,
                "delta": delta,
            }
            self.has_text = self.has_text or bool(delta.get("content"))
            self.finished = self.finished or bool(plain["finish_reason"])
            choices.append(plain)
        created = data.get("created")
        return {
            **data,
            "id": data.get("id") or "",
            "object": "chat.completion.chunk",
            "created": created if isinstance(created, (int, float)) else 0,
            "model": data.get("model") or "",
            "choices": choices,
        }

    def written_calls(self, calls: Iterable[WrittenCall]) -> list[JsonObject]:
        """Return tool calls that the model wrote into its text as deltas of real tool calls."""
        return [self._call_delta({"function": {"name": call.name, "arguments": call.arguments}}) for call in calls]

    def _call_delta(self, delta: Mapping[str, Any]) -> JsonObject:
        function = _mapping(delta.get("function"))
        name, arguments = _text(function.get("name")), _arguments_text(function.get("arguments"))
        position = self._position(delta, name)
        if position is not None and self._begins_another(self._calls[position], name, arguments):
            name, position = name or self._calls[position].name, None
        if position is None:
            position = len(self._calls)
            # The id is chosen only once, since pydantic-ai would change that of the call later.
            self._calls.append(_StreamedCall(id=self._new_id(delta), wire_index=delta.get("index")))
        call = self._calls[position]
        call.wire_id = call.wire_id or _text(delta.get("id"))
        repeated = name is not None and name == call.name
        call.name = call.name or name
        if not call.arguments and arguments.strip() == "null":
            arguments = "{}"
        call.arguments += arguments
        # A name in every delta would be appended to itself.
        function = {"name": None if repeated else name, "arguments": arguments}
        return {"index": position, "id": call.id, "type": "function", "function": function}

    def _new_id(self, delta: Mapping[str, Any]) -> str:
        wire_id = _text(delta.get("id"))
        is_new = wire_id and all(wire_id != call.id for call in self._calls)
        return wire_id if wire_id and is_new else f"call_{uuid.uuid4().hex}"

    @staticmethod
    def _begins_another(call: _StreamedCall, name: str | None, arguments: str) -> bool:
        """Whether a delta cannot belong to the call that it refers to, since the arguments of that are complete."""
        if not _is_json_object(call.arguments):
            return bool(call.arguments and name and name != call.name)
        return bool(arguments.strip()) or (name is not None and name != call.name)

    def _position(self, delta: Mapping[str, Any], name: str | None) -> int | None:
        """Return the position of the call that a delta continues; None if it begins one.

        Its id decides, else its index. Without both, a name begins a call once the last one is complete.
        """
        wire_id, index = _text(delta.get("id")), delta.get("index")
        for position in reversed(range(len(self._calls))):
            call = self._calls[position]
            if wire_id is not None and call.wire_id is not None:
                if wire_id == call.wire_id:
                    return position
            elif index is not None:
                if index == call.wire_index:
                    return position
            elif name is None or (name == call.name and not _is_json_object(call.arguments)):
                return position
            else:
                return None
        return None


@dataclass(slots=True)
class _StreamedCall:
    id: str
    wire_index: int | None
    wire_id: str | None = None
    name: str | None = None
    arguments: str = ""


def text_only(data: Mapping[str, Any] | None) -> str | None:
    """Return the text of a chunk that contains nothing else, as most do; otherwise None."""
    if data is None or not (choices := data.get("choices")) or not isinstance(choices, list):
        return None
    choice = choices[0]
    if not isinstance(choice, dict) or choice.get("finish_reason") or choice.get("tool_calls") or len(choices) > 1:
        return None
    delta = choice.get("delta")
    if not isinstance(delta, dict) or has_more_than_text(delta):
        return None
    return _text(delta.get("content"))


def has_more_than_text(delta: Mapping[str, Any]) -> bool:
    """Whether a delta contains a tool call, thoughts, or the like."""
    return any(name in delta and delta[name] for name in _BESIDE_TEXT)


def is_empty(data: Mapping[str, Any]) -> bool:
    """Whether a chunk contains nothing of the answer, like the first one of many services, which only has a role."""
    if data.get("usage") or stream_error_status(data) is not None:
        return False
    for choice in _objects(data.get("choices")):
        delta = _mapping(choice.get("delta") or choice.get("message"))
        if (
            choice.get("finish_reason")
            or choice.get("tool_calls")
            or any(delta[name] for name in delta.keys() - {"role"})
        ):
            return False
    return True


def stream_error_status(data: Mapping[str, Any]) -> int | None:
    """Return the HTTP status for an error within a stream; None if `data` is not an error.

    The gateway's errors are `{"message", "code", "metadata"}`; other services wrap them in `error`.
    """
    data = _mapping(data.get("error")) or data
    if "choices" in data or "message" not in data:
        return None
    code = data.get("code")
    return code if isinstance(code, int) and 400 <= code < 600 else 500


def _join_content_parts(message: JsonObject) -> None:
    """Replace a list of content parts, as Mistral's models send it for references, by its text."""
    if isinstance(parts := message.get("content"), list):
        texts = (part if isinstance(part, str) else _mapping(part).get("text") for part in parts)
        message["content"] = "".join(text for text in texts if isinstance(text, str))


def _move_refusal_into_content(message: JsonObject) -> None:
    """Use the reason for a refusal, which is in a field of its own, as the text of the answer."""
    if refusal := _text(message.pop("refusal", None)):
        message["content"] = (_text(message.get("content")) or "") + refusal


def _arguments_text(arguments: object) -> str:
    if arguments is None:
        return ""  # in a stream, more may follow
    return arguments if isinstance(arguments, str) else json.dumps(arguments)


def _is_json_object(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except ValueError:
        return False


def _mapping(value: object) -> JsonObject:
    return dict(value) if isinstance(value, Mapping) else {}


def _text(value: object) -> str | None:
    """Return a text that is not empty, or None."""
    return value if isinstance(value, str) and value else None


def _objects(value: object) -> list[Mapping[str, Any]]:
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []
