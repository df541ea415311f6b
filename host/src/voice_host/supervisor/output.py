"""What a worker process logs and prints, on its way into the front's log.

Its stdout and stderr are pipes to the front. It logs to stderr, a JSON object per line, which includes what Python code
prints. Anything else is printed by C libraries, by other programs that it starts, or by faulthandler when it crashes.
What a worker wrote before it died can still be read.

It runs a customer's code, so nothing that it writes is trusted. Each line gets the true agent, release and worker. An
agent that writes too many lines loses some (`LineLimit`), but not the last ones before a worker ends. A process that
writes too many bytes waits.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
from collections import deque
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any

from voice_host.observability import metrics
from voice_host.observability.logs import get_logger, relay

log = get_logger(__name__)

LINES_PER_S = 200
"""Lines of an agent that are logged in the long run. Each takes the front 30 to 40 us."""

BURST_LINES = 2000
"""Lines that may come at once."""

READ_BYTES = 64 * 1024
"""Bytes that are read at a time: what a pipe holds."""

BYTES_PER_INTERVAL = 512 * 1024
INTERVAL_S = 0.1
"""5 MB/s are read of a pipe. Who prints more waits, but the event loop of the worker does not: its log and what Python
code prints are in a queue then, which drops what is too much."""

MAX_LINE_BYTES = 128 * 1024
"""Longest line; a stack trace of 30,000 characters may take as much in JSON."""

MAX_REST_BYTES = 1024 * 1024
"""Most that is read of a pipe after its worker has ended. Processes that it left behind may write on for ever."""

LINES_AT_ONCE = 50
"""Lines that are logged at a time, in about 2 ms, before the event loop does something else."""

LAST_LINES = 300
MAX_LAST_BYTES = 256 * 1024
"""The last lines of each pipe that are logged when its worker ends, whatever the limit. The stack trace of a crash is
among them."""

REPORT_AFTER_S = 1.0
"""When dropped lines are reported."""

PRINTED = {"stdout": "info", "stderr": "warning"}
"""Levels of printed lines."""

LEVELS = frozenset(("debug", "info", "warning", "error", "critical"))

_NOT_FIELDS = ("exc_info", "stack_info", "_record", "_from_structlog")
"""What structlog gives a meaning."""

_TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{1,9}Z")


class LineLimit:
    """How many lines the workers of one agent may log. Belongs to the front's event loop."""

    def __init__(self, agent_id: str) -> None:
        self._agent_id = agent_id
        self._loop = asyncio.get_running_loop()
        self._left = float(BURST_LINES)
        self._at_s = self._loop.time()
        self._dropped = 0
        self._reporting: asyncio.TimerHandle | None = None

    def allows(self) -> bool:
        """Whether one more line may be logged now; if so, it counts."""
        now_s = self._loop.time()
        self._left = min(BURST_LINES, self._left + (now_s - self._at_s) * LINES_PER_S)
        self._at_s = now_s
        if self._left < 1:
            return False
        self._left -= 1
        return True

    def dropped(self, lines: int) -> None:
        """Count lines that were not logged. They are reported after a while."""
        if not lines:
            return
        metrics.LOG_LINES_DROPPED.labels(self._agent_id).inc(lines)
        self._dropped += lines
        if self._reporting is None:
            self._reporting = self._loop.call_later(REPORT_AFTER_S, self.report)

    def report(self) -> None:
        """Report dropped lines now."""
        if self._reporting is not None:
            self._reporting.cancel()
            self._reporting = None
            hint = f"an agent may log {LINES_PER_S} lines a second"
            log.warning("log_lines_dropped", agent_id=self._agent_id, lines=self._dropped, hint=hint)
            self._dropped = 0


class _Pipe:
    """The read end of a pipe whose lines are taken one by one."""

    def __init__(self, read_end: int, limit: LineLimit, take: Callable[[bytes], None]) -> None:
        self._read_end = read_end
        self._limit = limit
        self._take = take
        self._loop = asyncio.get_running_loop()
        os.set_blocking(self._read_end, False)
        self._buffer = bytearray()
        self._skipping = False  # the rest of a line that was too long
        self._last: deque[bytes] = deque()  # lines over the limit, dropped unless the worker ends now
        self._last_bytes = 0
        self._interval_read = 0
        self._waiting: asyncio.TimerHandle | None = None
        self._open = True
        self._loop.add_reader(self._read_end, self._readable)

    def _readable(self) -> None:
        self._interval_read += self._read()
        if self._open:
            self._go_on()

    def _go_on(self) -> None:
        """Take some of the lines that were read. Reading goes on when all are taken."""
        if self._split():
            self._wait(0)
        elif self._interval_read >= BYTES_PER_INTERVAL:
            self._interval_read = 0
            self._wait(INTERVAL_S)
        elif self._waiting is not None:
            self._waiting = None
            self._loop.add_reader(self._read_end, self._readable)

    def _wait(self, delay_s: float) -> None:
        if self._waiting is None:
            self._loop.remove_reader(self._read_end)
        self._waiting = self._loop.call_later(delay_s, self._go_on)

    def _read(self) -> int:
        """Read once. Returns how much; 0: there is nothing more for now."""
        try:
            data = os.read(self._read_end, READ_BYTES)
        except (BlockingIOError, InterruptedError):
            return 0
        except OSError:
            data = b""
        self._buffer += data
        if not data:  # nobody has the write end any more
            self._close()
        return len(data)

    def _split(self) -> bool:
        """Take `LINES_AT_ONCE` lines from the buffer at most. Returns whether there are more."""
        begin = taken = 0
        while (end := self._buffer.find(b"\n", begin)) >= 0 and taken < LINES_AT_ONCE:
            if self._skipping:
                self._skipping = False
            elif self._limit.allows():
                self._forget_last()
                self._take(bytes(self._buffer[begin:end]))
                taken += 1
            else:
                end = self._buffer.rindex(b"\n")
                self._put_aside(bytes(self._buffer[begin:end]))
            begin = end + 1
        del self._buffer[:begin]
        if end >= 0:
            return True
        if self._skipping:
            self._buffer.clear()
        elif len(self._buffer) > MAX_LINE_BYTES:
            self._take_or_drop(bytes(self._buffer[:MAX_LINE_BYTES]))
            self._buffer.clear()
            self._skipping = True
        return False

    def _take_or_drop(self, line: bytes) -> None:
        if self._limit.allows():
            self._take(line)
        else:
            self._limit.dropped(1)

    def _put_aside(self, lines: bytes) -> None:
        """Drop lines, but keep the last ones for now."""
        rest, *last = lines.rsplit(b"\n", LAST_LINES)
        if len(last) < LAST_LINES:
            last.insert(0, rest)
        else:
            self._limit.dropped(rest.count(b"\n") + 1)
        self._last.extend(last)
        self._last_bytes += sum(map(len, last))
        over = 0
        while len(self._last) > LAST_LINES or self._last_bytes > MAX_LAST_BYTES:
            self._last_bytes -= len(self._last.popleft())
            over += 1
        self._limit.dropped(over)

    def _forget_last(self) -> None:
        """Drop the lines that were kept: others follow them."""
        if self._last:
            self._limit.dropped(len(self._last))
            self._last.clear()
            self._last_bytes = 0

    def finish(self) -> None:
        """Take what is still in the pipe, and close it. Idempotent."""
        read = 0
        while self._open and read < MAX_REST_BYTES and (more := self._read()):
            read += more
        self._close()

    def _close(self) -> None:
        if not self._open:
            return
        self._open = False
        if self._waiting is not None:
            self._waiting.cancel()
        self._loop.remove_reader(self._read_end)
        os.close(self._read_end)
        for _ in range(10):
            if not self._split():
                break
        if self._buffer and not self._skipping:
            self._put_aside(bytes(self._buffer.removesuffix(b"\n")))
        for line in self._last:
            self._take(line)
        self._last.clear()
        self._buffer.clear()


class WorkerOutput:
    """What one worker process writes. Belongs to the front's event loop.

    Args:
        stdout, stderr: the read ends of its pipes, which this owns.
        who: fields of each line: `agent_id`, `release`, `worker` and others.
        limit: of the agent's lines.
        on_stderr: called with each line that something printed to stderr.
    """

    def __init__(
        self,
        stdout: int,
        stderr: int,
        who: Mapping[str, str | int],
        limit: LineLimit,
        on_stderr: Callable[[str], None] = lambda line: None,
    ) -> None:
        self._who = who
        self._on_stderr = on_stderr
        self._limit = limit
        self._pipes = (
            _Pipe(stdout, limit, partial(self._take, "stdout")),
            _Pipe(stderr, limit, partial(self._take, "stderr")),
        )

    def finish(self) -> None:
        """Log the rest of what the process wrote, which has ended, and close the pipes. Idempotent."""
        for pipe in self._pipes:
            pipe.finish()
        self._limit.report()

    def _take(self, stream: str, line: bytes) -> None:
        if stream == "stderr" and (fields := log_fields(line)) is not None:
            relay({**fields, **self._who})
        elif text := line.decode(errors="replace").rstrip():
            printed = {
                "event": "printed",
                "level": PRINTED[stream],
                "timestamp": _now(),
                "stream": stream,
                "text": text,
            }
            relay({**printed, **self._who})
            if stream == "stderr":
                self._on_stderr(text)


def log_fields(line: bytes) -> dict[str, Any] | None:
    """Return the fields of a line of a worker's log; None: it is none."""
    if not line.startswith(b"{"):
        return None
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not (isinstance(found, dict) and isinstance(found.get("event"), str) and "level" in found):
        return None
    fields = {name: value for name, value in found.items() if name not in _NOT_FIELDS}
    level, timestamp = fields["level"], fields.get("timestamp")
    if not (isinstance(timestamp, str) and _TIMESTAMP.fullmatch(timestamp)):
        timestamp = _now()
    return {**fields, "level": level if level in LEVELS else "info", "timestamp": timestamp}


def _now() -> str:
    return datetime.now(UTC).isoformat().replace("+00:00", "Z")
