"""Where the gateway's messages differ from OpenAI's, and how they are put right. Pure functions on JSON objects.

Seen: `id`, `object`, `created`, `index` missing; `finish_reason` in Anthropic's words; `choices` null; tool calls
beside `message`; streamed tool calls without `id`, `type` or `index`, or all with the same index; `null` for no
arguments; refusals beside the text; empty message content refused.
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
"""What a delta may hold that is not to be spoken, or not by itself."""

EMPTY_RESULT = "(no output)"
"""Stands for the empty result of a tool, which must be sent and must not be empty."""


def plain_completion(data: Mapping[str, Any]) -> JsonObject:
    """Return a whole completion in OpenAI's shape. `choices` may still be empty."""
    choices = []
    for index, choice in enumerate(_objects(data.get("choices"))):
        message = {"role": "assistant", "content": None, **_mapping(choice.get("message"))}
        calls = _objects(message.get("tool_calls") or choice.get("tool_calls"))
        message["tool_calls"] = [_whole_call(call) for call in calls] or None
        _say_refusal(message)
        choices.append(_choice(choice, index, message=message))
    return _envelope(data, "chat.completion", choices)


class StreamedReply:
    """Puts the chunks of one streamed reply into OpenAI's shape and knows how far the reply has got."""

    def __init__(self) -> None:
        self._calls: list[_StreamedCall] = []
        self.has_text = False
        self.finished = False
        """Whether a finish reason has arrived: what follows is usage at most."""

    @property
    def has_calls(self) -> bool:
        return bool(self._calls)

    @property
    def calls_complete(self) -> bool:
        """Whether every tool call holds a complete JSON object."""
        return all(_is_json_object(call.arguments) for call in self._calls)

    def plain_chunk(self, data: Mapping[str, Any]) -> JsonObject:
        """Return a chunk in OpenAI's shape. A chunk without choices has an empty list of them."""
        choices = []
        for index, choice in enumerate(_objects(data.get("choices"))):
            delta = _mapping(choice.get("delta") or choice.get("message"))
            calls = _objects(delta.get("tool_calls") or choice.get("tool_calls"))
            delta["tool_calls"] = [self._call_delta(call) for call in calls] or None
            _say_refusal(delta)
            plain = _choice(choice, index, delta=delta)
            self.has_text = self.has_text or bool(delta.get("content"))
            self.finished = self.finished or bool(plain["finish_reason"])
            choices.append(plain)
        return _envelope(data, "chat.completion.chunk", choices)

    def written_calls(self, calls: Iterable[WrittenCall]) -> list[JsonObject]:
        """Return calls that stood in the text as deltas of calls that are made."""
        return [self._call_delta({"function": {"name": call.name, "arguments": call.arguments}}) for call in calls]

    def _call_delta(self, delta: Mapping[str, Any]) -> JsonObject:
        function = _mapping(delta.get("function"))
        name, arguments = _text(function.get("name")), _arguments_text(function.get("arguments"))
        position = self._position(delta, name)
        if position is not None and self._begins_another(self._calls[position], name, arguments):
            name, position = name or self._calls[position].name, None
        if position is None:
            position = len(self._calls)
            # The id is decided once: pydantic-ai would rename the call when an id arrived later.
            self._calls.append(_StreamedCall(id=self._new_id(delta), wire_index=delta.get("index")))
        call = self._calls[position]
        call.wire_id = call.wire_id or _text(delta.get("id"))
        repeated = name is not None and name == call.name
        call.name = call.name or name
        if not call.arguments and arguments.strip() == "null":
            arguments = "{}"
        call.arguments += arguments
        # A name that is sent with every delta would be appended to itself.
        function = {"name": None if repeated else name, "arguments": arguments}
        return {"index": position, "id": call.id, "type": "function", "function": function}

    def _new_id(self, delta: Mapping[str, Any]) -> str:
        wire_id = _text(delta.get("id"))
        return wire_id if wire_id and all(wire_id != call.id for call in self._calls) else new_call_id()

    @staticmethod
    def _begins_another(call: _StreamedCall, name: str | None, arguments: str) -> bool:
        """Whether a delta cannot belong to the call whose place it names: nothing can follow complete arguments."""
        if not _is_json_object(call.arguments):
            return bool(call.arguments and name and name != call.name)
        return bool(arguments.strip()) or (name is not None and name != call.name)

    def _position(self, delta: Mapping[str, Any], name: str | None) -> int | None:
        """Tell which call a delta seems to go on with; None when it opens a new one.

        Its id decides, else its index, else a name opens a call once the last one is complete.
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


def plain_text(data: Mapping[str, Any] | None) -> str | None:
    """Return the text of a chunk that is nothing but text, as most are; else None."""
    if data is None or not (choices := data.get("choices")) or not isinstance(choices, list):
        return None
    choice = choices[0]
    if not isinstance(choice, dict) or choice.get("finish_reason") or choice.get("tool_calls") or len(choices) > 1:
        return None
    delta = choice.get("delta")
    if not isinstance(delta, dict) or says_more_than_text(delta):
        return None
    return _text(delta.get("content"))


def says_more_than_text(delta: Mapping[str, Any]) -> bool:
    """Whether a delta holds a tool call, thoughts, or the like. One without text need not."""
    return any(delta.get(name) for name in _BESIDE_TEXT)


def says_nothing(data: Mapping[str, Any]) -> bool:
    """Whether a chunk is no piece of an answer, such as the first one of many services, which names a role."""
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


def text_chunk(text: str) -> JsonObject:
    """Return a chunk of nothing but text, in OpenAI's shape."""
    return _envelope({}, "chat.completion.chunk", [_choice({}, 0, delta={"content": text})])


def without_empty_content(messages: Iterable[Mapping[str, Any]]) -> list[JsonObject]:
    """Return the messages of a request without empty content, which the gateway refuses.

    An empty message is dropped; an assistant's tool calls go without `content`; a tool's empty result is spelt out.
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


def stream_error_status(data: Mapping[str, Any]) -> int | None:
    """Return the HTTP status an error inside a stream stands for; None when `data` is no error.

    The gateway's errors are `{"message", "code", "metadata"}`; other services wrap them in `error`.
    """
    data = _mapping(data.get("error")) or data
    if "choices" in data or "message" not in data:
        return None
    code = data.get("code")
    return code if isinstance(code, int) and 400 <= code < 600 else 500


def _say_refusal(message: JsonObject) -> None:
    """Put why the model refuses, which comes beside the text, into the text: it is the answer."""
    if refusal := _text(message.pop("refusal", None)):
        message["content"] = (_text(message.get("content")) or "") + refusal


def new_call_id() -> str:
    return f"call_{uuid.uuid4().hex}"


def _envelope(data: Mapping[str, Any], kind: str, choices: list[JsonObject]) -> JsonObject:
    return {
        **data,
        "id": data.get("id") or "",
        "object": kind,
        "created": created if isinstance(created := data.get("created"), (int, float)) else 0,
        "model": data.get("model") or "",
        "choices": choices,
    }


def _choice(choice: Mapping[str, Any], index: int, **inner: JsonObject) -> JsonObject:
    reason = _text(choice.get("finish_reason")) or ""
    return {
        "index": choice.get("index") or index,
        "finish_reason": _FINISH_REASONS.get(reason, reason) or None,
        "logprobs": _mapping(choice.get("logprobs")) or None,
        **inner,
    }


def _whole_call(call: Mapping[str, Any]) -> JsonObject:
    function = _mapping(call.get("function"))
    return {
        "id": _text(call.get("id")) or new_call_id(),
        "type": "function",
        "function": {
            "name": _text(function.get("name")) or "",
            "arguments": _whole_arguments(function.get("arguments")),
        },
    }


def _arguments_text(arguments: object) -> str:
    if arguments is None:
        return ""  # in a stream, more may follow
    return arguments if isinstance(arguments, str) else json.dumps(arguments)


def _whole_arguments(arguments: object) -> str:
    text = _arguments_text(arguments)
    return "{}" if text.strip() == "null" else text


def _is_json_object(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except ValueError:
        return False


def _mapping(value: object) -> JsonObject:
    return dict(value) if isinstance(value, Mapping) else {}


def _text(value: object) -> str | None:
    """A text that is not empty, or None."""
    return value if isinstance(value, str) and value else None


def _objects(value: object) -> list[Mapping[str, Any]]:
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []
