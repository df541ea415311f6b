"""What the gateway's simulator answers: scripted replies, and the JSON they become with the gateway's quirks."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

JsonObject = dict[str, Any]


@dataclass(frozen=True)
class Quirks:
    """Where the gateway differs from OpenAI. All off: OpenAI's own shapes.

    Attributes:
        bare: no `id`, `object`, `created`, `model`, `index`.
        own_finish_reasons: `end_turn`, `tool_use`, `max_tokens`.
        null_choices: `choices` is null in the usage chunk of a stream.
        calls_beside: tool calls stand beside `message` (or `delta`), not inside.
        bare_calls: streamed tool calls without `id` and `type`, and without `index`.
        no_done: a stream ends without `[DONE]`.
    """

    bare: bool = False
    own_finish_reasons: bool = False
    null_choices: bool = False
    calls_beside: bool = False
    bare_calls: bool = False
    no_done: bool = False


ALL_QUIRKS = Quirks(
    bare=True, own_finish_reasons=True, null_choices=True, calls_beside=True, bare_calls=True, no_done=True
)


@dataclass
class Reply:
    """One scripted answer.

    Attributes:
        tokens: the text, as it streams.
        calls: tool calls, each a name and its arguments (a string is sent as it is, even when it is no JSON).
        gates: before the n-th piece (token or call) is sent, the event must be set.
        cut: the stream ends after the pieces, without a finish reason: `clean` or with a broken connection (`reset`);
            `late`: the connection breaks after the finish reason.
        finish_reason: in OpenAI's words.
        role_first: before the first piece come chunks that name the role and say nothing, until its gate is
            open.
    """

    tokens: Sequence[str] = ()
    calls: Sequence[tuple[str, Mapping[str, Any] | str]] = ()
    gates: Mapping[int, asyncio.Event] = field(default_factory=dict)
    cut: Literal["clean", "reset", "late"] | None = None
    finish_reason: str | None = None
    call_ids: Sequence[str] = ()
    role_first: bool = False


@dataclass(frozen=True)
class Failure:
    """An answer with an error status."""

    status: int
    body: Any
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class RawStream:
    """A stream of given JSON objects, for shapes the script does not know."""

    chunks: Sequence[JsonObject]
    done: bool = True


@dataclass(frozen=True)
class RawBytes:
    """A stream of given bytes, for what is no stream of JSON objects. It is sent as it is, in these pieces."""

    pieces: Sequence[bytes]


Script = Reply | Failure | RawStream | RawBytes

_OWN_REASONS = {"stop": "end_turn", "tool_calls": "tool_use", "length": "max_tokens"}
_USAGE = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}


def completion(reply: Reply, quirks: Quirks, model: str, number: int) -> JsonObject:
    """The whole reply as one JSON object."""
    message: JsonObject = {"role": "assistant", "content": "".join(reply.tokens) or None}
    calls = [_call(reply, index, number) for index in range(len(reply.calls))]
    choice: JsonObject = {"index": 0, "message": message, "finish_reason": _finish_reason(reply, quirks)}
    if calls:
        (choice if quirks.calls_beside else message)["tool_calls"] = calls
    return _envelope({"choices": [choice], "usage": _USAGE}, "chat.completion", quirks, model, number)


def pieces(reply: Reply, quirks: Quirks, model: str, number: int) -> Iterator[list[JsonObject]]:
    """The reply in pieces of one or more chunks: each token, then each tool call in three chunks."""

    def chunk(delta: JsonObject, finish_reason: str | None = None, **beside: Any) -> JsonObject:
        choice = {"index": 0, "delta": delta, "finish_reason": finish_reason, **beside}
        return _envelope({"choices": [choice]}, "chat.completion.chunk", quirks, model, number)

    for token in reply.tokens:
        yield [chunk({"role": "assistant", "content": token})]
    for index in range(len(reply.calls)):
        deltas = _call_deltas(_call(reply, index, number), index, quirks)
        if quirks.calls_beside:
            yield [chunk({}, tool_calls=[delta]) for delta in deltas]
        else:
            yield [chunk({"tool_calls": [delta]}) for delta in deltas]
    if reply.cut in ("clean", "reset"):
        return
    yield [chunk({}, _finish_reason(reply, quirks))]


def usage_chunk(quirks: Quirks, model: str, number: int) -> JsonObject:
    choices: list[Any] | None = None if quirks.null_choices else []
    return _envelope({"choices": choices, "usage": _USAGE}, "chat.completion.chunk", quirks, model, number)


def _call(reply: Reply, index: int, number: int) -> JsonObject:
    name, arguments = reply.calls[index]
    call_id = reply.call_ids[index] if index < len(reply.call_ids) else f"call_{number}_{index}"
    text = arguments if isinstance(arguments, str) else json.dumps(dict(arguments))
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": text}}


def _call_deltas(call: JsonObject, index: int, quirks: Quirks) -> list[JsonObject]:
    arguments = call["function"]["arguments"]
    half = len(arguments) // 2
    first = {"index": index, **call, "function": {"name": call["function"]["name"], "arguments": ""}}
    if quirks.bare_calls:
        first = {"function": first["function"]}
    place = {} if quirks.bare_calls else {"index": index}
    return [first, *({**place, "function": {"arguments": part}} for part in (arguments[:half], arguments[half:]))]


def _finish_reason(reply: Reply, quirks: Quirks) -> str:
    reason = reply.finish_reason or ("tool_calls" if reply.calls else "stop")
    return _OWN_REASONS.get(reason, reason) if quirks.own_finish_reasons else reason


def _envelope(data: JsonObject, kind: str, quirks: Quirks, model: str, number: int) -> JsonObject:
    if not quirks.bare:
        return {"id": f"chatcmpl-{number}", "object": kind, "created": 1790000000, "model": model, **data}
    for choice in data["choices"] or ():
        del choice["index"]
        if choice["finish_reason"] is None:
            del choice["finish_reason"]
    return data
