"""A call as readable text: who said what and when, what was heard, and which tools ran."""

from __future__ import annotations

from collections.abc import Sequence

from voice_host.testing.reply import Reply
from voice_host_sdk import SessionError, ToolCall, UserTurn

LONGEST_RESULT = 200
"""Characters shown of a tool's result."""


def written(log: Sequence[tuple[float, UserTurn | Reply | ToolCall | SessionError | str]]) -> str:
    """Return one line for each entry: the time, who, and what."""
    return "\n".join(f"{at_s:8.2f}  {_line(entry)}" for at_s, entry in log)


def _line(entry: UserTurn | Reply | ToolCall | SessionError | str) -> str:
    match entry:
        case UserTurn(text, typed):
            return f"caller   {text}{'  (typed)' if typed else ''}"
        case Reply():
            return f"agent    {_said(entry)}"
        case ToolCall():
            arguments = ", ".join(f"{name}={value!r}" for name, value in entry.arguments.items())
            result = repr(entry.result)
            shown = result if len(result) <= LONGEST_RESULT else f"{result[:LONGEST_RESULT]}..."
            return f"tool     {entry.name}({arguments}) -> {shown}{'' if entry.ok else '  (failed)'}"
        case SessionError(code, message, fatal):
            return f"error    {code}: {message}{'  (fatal)' if fatal else ''}"
        case _:
            return f"--       {entry}"


def _said(reply: Reply) -> str:
    text = " ".join(reply.text.split())
    if reply.interrupted:
        heard = " ".join(reply.heard.split())
        rest = text.removeprefix(heard)
        return f"{heard} [cut at {reply.ended_s or 0:.2f} s]{rest}" if heard else f"[nothing was heard of:] {text}"
    return text if reply.over else f"{text} [not over]".lstrip()
