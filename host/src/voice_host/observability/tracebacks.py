"""Stack traces without the messages of exceptions, which may quote callers."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from textwrap import indent
from types import TracebackType
from typing import TextIO

WITHHELD = "(message withheld: it may quote a caller; see [server] log_transcripts)"

_PLAIN = (ImportError, NameError, AttributeError, ConnectionError, TimeoutError)
"""The interpreter writes their messages. Any other may quote its input: an argument of a tool, a model's answer."""

_OURS = ("voice_host.", "voice_host_sdk.")
_CAUSED = "\nThe above exception was the direct cause of the following exception:\n\n"
_DURING = "\nDuring handling of the above exception, another exception occurred:\n\n"

ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None]


def without_messages(exc_info: ExcInfo) -> str:
    """Return a stack trace that shows only the types of exceptions, and the messages of the host's own."""
    return "".join(_lines(exc_info[1], set())).rstrip("\n")


def write_without_messages(stream: TextIO, exc_info: ExcInfo) -> None:
    """Write such a stack trace, for structlog's text renderer."""
    stream.write("\n" + without_messages(exc_info))


def _lines(error: BaseException, seen: set[int]) -> Iterator[str]:
    seen.add(id(error))
    cause = error.__cause__
    before = cause if cause is not None else None if error.__suppress_context__ else error.__context__
    if before is not None and id(before) not in seen:
        yield from _lines(before, seen)
        yield _CAUSED if cause is not None else _DURING
    yield "Traceback (most recent call last):\n"
    yield from traceback.format_tb(error.__traceback__)
    yield f"{_named(error)}\n"
    for inner in error.exceptions if isinstance(error, BaseExceptionGroup) else ():
        if id(inner) not in seen:
            yield indent("".join(_lines(inner, seen)), "  | ")


def _named(error: BaseException) -> str:
    kind = type(error)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    if not (isinstance(error, _PLAIN) or kind.__module__.startswith(_OURS)):
        return f"{name}: {WITHHELD}"
    return f"{name}: {' '.join(str(error).split())}"
