"""Redirects what agents and libraries print to the log, since printing to a full pipe would block the host."""

from __future__ import annotations

import io
import logging
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout

from voice_host.observability.logs import get_logger
from voice_host.observability.printable import MAX_CHARS
from voice_host.tasks import failed
from voice_host.tenancy import attributed_agent

log = get_logger(__name__)


@contextmanager
def printing_into_the_log() -> Iterator[None]:
    """Log what is printed, and errors of threads and finalizers that Python would print.

    A line on stdout is logged as `printed` at INFO, one on stderr at WARNING. Configure logging first.
    """
    thread_hook, object_hook = threading.excepthook, sys.unraisablehook
    threading.excepthook, sys.unraisablehook = _thread_failed, _object_failed
    try:
        with redirect_stdout(_Printed("stdout", logging.INFO)), redirect_stderr(_Printed("stderr", logging.WARNING)):
            yield
    finally:
        threading.excepthook, sys.unraisablehook = thread_hook, object_hook


def _thread_failed(args: threading.ExceptHookArgs) -> None:
    if args.exc_value is not None and not isinstance(args.exc_value, SystemExit):
        failed("thread", args.exc_value, of=args.thread.name if args.thread is not None else "")


def _object_failed(args: sys.UnraisableHookArgs) -> None:
    if args.exc_value is not None:
        failed("cleanup", args.exc_value, of=type(args.object).__name__)


class _Printed(io.TextIOBase):
    """A text stream whose lines are logged."""

    encoding = "utf-8"

    def __init__(self, name: str, level: int) -> None:
        self._name = name
        self._level = level
        self._of_thread = threading.local()  # `print` writes the text and the line end separately

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        *lines, rest = (getattr(self._of_thread, "unfinished", "") + text).split("\n")
        if len(rest) > MAX_CHARS:
            lines, rest = [*lines, rest], ""
        self._of_thread.unfinished = rest
        agent_id = attributed_agent()
        who = {} if agent_id is None else {"agent_id": agent_id}
        for line in lines:
            if line.strip():
                log.log(self._level, "printed", stream=self._name, text=line, **who)
        return len(text)
