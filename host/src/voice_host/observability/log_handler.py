"""A log handler that never blocks the process on a slow reader."""

from __future__ import annotations

import logging
import os
import select
import threading
import time
from collections import Counter, deque
from dataclasses import dataclass
from typing import TextIO

from voice_host.observability import metrics

MAX_QUEUED_CHARS = 8_000_000
"""Log text queued for a slow reader: some 40,000 lines. When it is full, lines are counted and dropped."""

MAX_QUEUED_CHARS_OF_AGENT = 1_000_000
"""Of which the workers of one agent may use so much, so that they cannot take the place of other agents' lines."""

AGENT_OF = "relayed_for"
"""Attribute of the record of a line that a worker process wrote: its agent's id."""

FLUSH_TIMEOUT_S = 2.0
"""How long the process waits for a stuck reader when it ends."""

REPEATS = 5
REPEAT_WINDOW_S = 10.0
"""A line is written at most `REPEATS` times within this window; further ones are counted, and the count is logged."""

MAX_KNOWN_LINES = 1000
"""Distinct recent lines that are kept to detect repetitions."""

_NO_FIELDS = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}


class QueuedLogHandler(logging.Handler):
    """Formats records in the logging thread and writes them in a thread of its own, through a bounded queue.

    So a reader that pauses (a full pipe, a terminal on Ctrl-S) blocks neither the event loop nor any other thread.

    Args:
        stream: where the lines go, usually stderr.
        at_once: `stream` is a pipe, and a line is written to it by the logging thread if there is room for it and no
            other line waits. So it is not lost if the process crashes or exits the next moment.
    """

    def __init__(self, stream: TextIO, *, at_once: bool = False) -> None:
        super().__init__()
        self._room = _Room(stream.fileno()) if at_once else None
        self._stream = stream
        self._lines: deque[str] = deque()
        self._queued_chars = 0
        self._queued_chars_of: Counter[str] = Counter()
        self._dropped = 0
        self._writing = False
        self._closed = False
        self._changed = threading.Condition()
        self._repeats = _Repeats()
        self._writer: threading.Thread | None = None

    def emit(self, record: logging.LogRecord) -> None:
        """Format a record and queue its line, unless it repeats one that was just written."""
        agent_id: str | None = getattr(record, AGENT_OF, None)
        try:
            line = self.format(record)
            may_write = agent_id is not None or self._repeats.may_write(record)
        except Exception as error:  # noqa: BLE001 (whatever an object's __repr__ raises)
            self._report_unformatted(record, error)
            return
        self._report_repeats(self._repeats.ended())
        if may_write:
            self._queue(line, agent_id)

    def _report_unformatted(self, record: logging.LogRecord, error: Exception) -> None:
        """Log where an unformattable line came from. `handleError` would print it, secrets included."""
        if record.name == __name__:
            return
        place = f"{record.pathname}:{record.lineno}"
        extra: dict[str, object] = {"by": record.name, "where": place, "error": type(error).__name__}
        self.emit(self._made("log_line_unreadable", logging.ERROR, extra))

    def _report_repeats(self, ended: list[tuple[int, logging.LogRecord]]) -> None:
        for count, record in ended:
            extra = {"repeated": record.msg, "by": record.name, "times": count}
            self._queue(self.format(self._made("log_line_repeated", record.levelno, extra)))

    @staticmethod
    def _made(event: str, level: int, extra: dict[str, object]) -> logging.LogRecord:
        return logging.getLogger(__name__).makeRecord(__name__, level, __file__, 0, event, (), None, extra=extra)

    def _queue(self, line: str, agent_id: str | None = None) -> None:
        with self._changed:
            of_agent = 0 if agent_id is None else self._queued_chars_of[agent_id] + len(line)
            if self._queued_chars + len(line) > MAX_QUEUED_CHARS or of_agent > MAX_QUEUED_CHARS_OF_AGENT:
                self._dropped += 1
                metrics.LOG_LINES_DROPPED.labels(agent_id or "").inc()
                return
            if self._room is not None and not (self._lines or self._writing) and self._room.write(line + "\n"):
                return
            self._lines.append(line + "\n")
            self._queued_chars += len(line)
            if agent_id is not None:
                self._queued_chars_of[agent_id] = of_agent
            if self._writer is None or not self._writer.is_alive():  # a forked child has no threads
                self._writer = threading.Thread(target=self._write, name="log-writer", daemon=True)
                self._writer.start()
            self._changed.notify_all()

    def _write(self) -> None:
        while True:
            with self._changed:
                while not self._lines and not self._closed:
                    self._changed.wait()
                if not self._lines:
                    return
                text = "".join(self._lines)
                self._lines.clear()
                self._queued_chars = 0
                self._queued_chars_of.clear()
                dropped, self._dropped = self._dropped, 0
                self._writing = True
            if dropped:
                text += self.format(self._made("log_lines_dropped", logging.WARNING, {"lines": dropped})) + "\n"
            try:
                self._stream.write(text)
                self._stream.flush()
            except (OSError, ValueError):  # the reader is gone, or the stream was closed
                pass
            finally:
                with self._changed:
                    self._writing = False
                    self._changed.notify_all()

    def flush(self) -> None:
        """Wait until everything is written, but no longer than `FLUSH_TIMEOUT_S`."""
        deadline_s = time.monotonic() + FLUSH_TIMEOUT_S
        with self._changed:
            while (self._lines or self._writing) and (left_s := deadline_s - time.monotonic()) > 0:
                self._changed.wait(left_s)

    def close(self) -> None:
        """Write the rest and stop the thread."""
        self._report_repeats(self._repeats.ended(all_of_them=True))
        self.flush()
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        super().close()


class _Room:
    """Writes to a pipe without waiting. Used under the handler's lock."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._poll = select.poll()
        self._poll.register(descriptor, select.POLLOUT)

    def write(self, text: str) -> bool:
        """Write a text if it is short and there is room. POSIX: a pipe that is ready takes so much without waiting."""
        data = text.encode(errors="backslashreplace")
        if len(data) > select.PIPE_BUF:
            return False
        try:
            if self._poll.poll(0) != [(self._descriptor, select.POLLOUT)]:
                return False
            os.write(self._descriptor, data)
        except OSError:
            return False
        return True


class _Repeats:
    """Counts identical lines. Used under the handler's lock."""

    def __init__(self) -> None:
        self._known: dict[str, _Known] = {}  # in the order in which their windows began

    def may_write(self, record: logging.LogRecord) -> bool:
        """Count a line and return whether to write it."""
        fields = {name: value for name, value in record.__dict__.items() if name not in _NO_FIELDS}
        said = f"{record.name} {record.levelno} {record.getMessage()} {fields!r} {_raised(record)}"
        known = self._known.setdefault(said, _Known(record, time.monotonic()))
        known.count += 1
        return known.count <= REPEATS

    def ended(self, *, all_of_them: bool = False) -> list[tuple[int, logging.LogRecord]]:
        """Forget lines whose window is over. Returns those that were not written each time, and how often not."""
        ended = []
        while self._known:
            key, known = next(iter(self._known.items()))
            over = time.monotonic() - known.began_s >= REPEAT_WINDOW_S
            if not (over or all_of_them or len(self._known) > MAX_KNOWN_LINES):
                break
            del self._known[key]
            if known.count > REPEATS:
                ended.append((known.count - REPEATS, known.record))
        return ended


def _raised(record: logging.LogRecord) -> str:
    """Return what tells one failure from another: the exception's type and where it was raised."""
    if not isinstance(record.exc_info, tuple) or record.exc_info[0] is None:
        return ""
    kind, _, trace = record.exc_info
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = "" if trace is None else f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}"
    return f"{kind.__qualname__} {place}"


@dataclass(slots=True)
class _Known:
    record: logging.LogRecord
    began_s: float
    count: int = 0
