"""What a worker process writes to stdout and stderr: lines of its log, and what its code prints."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from typing import Any

from pydantic_core import from_json

from voice_host.observability.logs import get_logger

log = get_logger(__name__)

READ_BYTES = 16 * 1024
MAX_LINE_BYTES = 64 * 1024
"""A longer line is cut. The log itself shortens fields."""

_LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40, "critical": 50}
_OF_THE_LOG = ("event", "level", "timestamp")


class LineReader:
    """Reads lines from a pipe, until the other end is closed. Belongs to one event loop.

    Args:
        descriptor: of the pipe. The reader owns it.
        on_line: called with each line, without its end.
    """

    def __init__(self, descriptor: int, on_line: Callable[[str], None]) -> None:
        self._descriptor = descriptor
        self._on_line = on_line
        self._unfinished = b""
        self._loop = asyncio.get_running_loop()
        os.set_blocking(descriptor, False)
        self._loop.add_reader(descriptor, self._readable)

    def _readable(self) -> None:
        try:
            data = os.read(self._descriptor, READ_BYTES)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            data = b""
        if not data:
            self.close()
            return
        *lines, self._unfinished = (self._unfinished + data).split(b"\n")
        if len(self._unfinished) > MAX_LINE_BYTES:
            lines, self._unfinished = [*lines, self._unfinished[:MAX_LINE_BYTES]], b""
        for line in lines:
            self._tell(line)

    def _tell(self, line: bytes) -> None:
        if text := line.decode(errors="replace").rstrip():
            self._on_line(text)

    def close(self) -> None:
        """Stop reading. Idempotent."""
        if self._descriptor < 0:
            return
        self._loop.remove_reader(self._descriptor)
        os.close(self._descriptor)
        self._descriptor = -1
        self._tell(self._unfinished)
        self._unfinished = b""


def relay(line: str, stream: str, **of: Any) -> None:
    """Write a worker's line to the front's log.

    Args:
        line: a line of the worker's log, which is JSON, or what something in its process printed.
        stream: `stdout` or `stderr`.
        of: fields that say which worker it is. They replace the line's own, since a worker could claim to be another.
    """
    fields = _logged(line)
    if fields is None:
        log.warning("printed", stream=stream, text=line, **of)
        return
    level = _LEVELS.get(str(fields.get("level")), 20)
    event = str(fields.get("event"))
    log.log(level, event, **{name: value for name, value in fields.items() if name not in _OF_THE_LOG} | of)


def _logged(line: str) -> dict[str, Any] | None:
    if not line.startswith("{"):
        return None
    try:
        fields = from_json(line)
    except ValueError:
        return None
    return fields if isinstance(fields, dict) and "event" in fields and "level" in fields else None
