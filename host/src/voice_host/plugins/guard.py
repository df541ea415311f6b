"""Running plugin code so that whatever it raises becomes a `PhaseFailed`, with a place, a hint and a traceback."""

from __future__ import annotations

import asyncio
import importlib
import inspect
import os
import signal
import threading
import traceback
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from traceback import StackSummary, TracebackException
from types import FrameType
from typing import Any, TypeVar

import pluggy
import pydantic

import voice_host
import voice_host_sdk
from voice_host.plugins.phases import BrokenPlugin, DiscoveredPlugin, Phase
from voice_host.settings import redact

_Broken = TypeVar("_Broken", bound=BrokenPlugin)

_MAX_ERROR_CHARS = 300
_MAX_TRACEBACK_CHARS = 6000
"""A longer traceback loses its beginning: the exception is at the end."""

_HOST_PACKAGES = ("voice_host", "pluggy", "importlib", "asyncio")
"""Packages whose frames stand between the host and a plugin in a traceback."""

_HOST_FILES = (
    *(
        f"{Path(str(module.__file__)).parent}{os.sep}"
        for module in (voice_host, voice_host_sdk, pluggy, pydantic, importlib, asyncio)
    ),
    "<frozen importlib",
)
"""The files of the code that imports plugins, runs their hooks and validates what they return."""

_EXIT_HINT = "a plugin never ends the process: raise an exception that says what is wrong"


class PhaseFailed(Exception):
    """A plugin failed a phase. See `BrokenPlugin` for the fields. They may still contain secrets."""

    def __init__(self, phase: Phase, error: str, hint: str | None = None, where: str | None = None) -> None:
        super().__init__(error)
        self.phase = phase
        self.error = error
        self.hint = hint
        self.where = where

    def outcome(
        self,
        kind: type[_Broken],
        discovered: DiscoveredPlugin,
        secrets: Iterable[str] = (),
        import_ms: float | None = None,
    ) -> _Broken:
        """Return the broken plugin, with the secrets redacted and the error shortened."""
        secrets = list(secrets)
        return kind(
            discovered,
            self.phase,
            _shortened(redact(self.error, secrets)),
            redact(self.hint, secrets) if self.hint else None,
            self.where,
            import_ms,
            own_traceback(self.__cause__, secrets) if self.__cause__ is not None else None,
        )


class SignalWatch:
    """A context manager that tells Ctrl-C apart from a `KeyboardInterrupt` raised by plugin code.

    Signals are delivered to the main thread only; in any other thread it must be the plugin.

    Attributes:
        seen: whether SIGINT arrived.
    """

    def __init__(self) -> None:
        self.seen = False
        self._before: Callable[[int, FrameType | None], Any] | None = None

    def __enter__(self) -> SignalWatch:
        handler = signal.getsignal(signal.SIGINT)
        if threading.current_thread() is threading.main_thread() and callable(handler):
            self._before = handler
            signal.signal(signal.SIGINT, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        if self._before is not None and signal.getsignal(signal.SIGINT) == self._note:
            signal.signal(signal.SIGINT, self._before)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.seen = True
        assert self._before is not None
        self._before(number, frame)


class guarded:
    """Turn whatever plugin code raises into `PhaseFailed`: `SystemExit` and `KeyboardInterrupt` too, but not Ctrl-C.

    For synchronous code. Awaitables go through `voice_host.tenancy.isolated`.

    Args:
        phase: the phase that fails then.
        doing: the beginning of the message, e.g. `importing front_desk failed`.
        hint: what to do about it.
    """

    def __init__(self, phase: Phase, doing: str, hint: str | None = None) -> None:
        self._phase = phase
        self._doing = doing
        self._hint = hint
        self._interrupts = SignalWatch()

    def __enter__(self) -> None:
        self._interrupts.__enter__()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        self._interrupts.__exit__()
        if error is None or isinstance(error, PhaseFailed):
            return
        if not (isinstance(error, KeyboardInterrupt) and self._interrupts.seen):
            raise failure(self._phase, self._doing, error, self._hint) from error


def failure(phase: Phase, doing: str, error: BaseException, hint: str | None = None) -> PhaseFailed:
    """Return the `PhaseFailed` for an exception of plugin code. See `guarded` for the arguments."""
    hint = hint or (_EXIT_HINT if isinstance(error, (SystemExit, KeyboardInterrupt)) else None)
    return PhaseFailed(phase, f"{doing}: {describe(error)}", hint, place(error))


# --- describing exceptions ----------------------------------------------------------------------------------------


def describe(error: BaseException) -> str:
    """Return an exception as one line: its type and its message."""
    if isinstance(error, SystemExit):
        return f"it called sys.exit({error.code!r})" if error.code is not None else "it called sys.exit()"
    try:
        message = " ".join(str(error).split())
    except BaseException:  # noqa: BLE001 - a plugin's exception whose __str__ raises: only the type is known
        message = ""
    return f"{type(error).__name__}: {message}" if message else type(error).__name__


def place(error: BaseException) -> str | None:
    """Return file and line of the innermost frame in the plugin's own package; None if it has no frame."""
    if isinstance(error, SyntaxError) and error.filename:  # the code never ran, so there is no frame
        return _short_place(error.filename, error.lineno)
    package, found = None, None
    for frame, line in traceback.walk_tb(error.__traceback__):
        top = str(frame.f_globals.get("__name__", "")).partition(".")[0]
        if package is None and top not in _HOST_PACKAGES:
            package = top
        if package is not None and top == package:
            found = _short_place(frame.f_code.co_filename, line)
    return found


def function_place(function: object) -> str | None:
    """Return file and line where a function begins; None if it has no Python source."""
    code = getattr(inspect.unwrap(function) if callable(function) else function, "__code__", None)
    return _short_place(code.co_filename, code.co_firstlineno) if code is not None else None


def own_traceback(error: BaseException, secrets: Iterable[str]) -> str | None:
    """Return the traceback of an exception and of its causes, without the frames of the host and its libraries.

    None if no frame is left: the plugin's code did not raise it.

    Args:
        secrets: texts to redact.
    """
    trace = TracebackException.from_exception(error)
    frames = 0
    for part in _chain(trace):
        own = [frame for frame in part.stack if not frame.filename.startswith(_HOST_FILES)]
        part.stack = StackSummary.from_list(own)
        frames += len(own)
    if not frames and not isinstance(error, SyntaxError):  # a syntax error has a place, but no frame
        return None
    text = redact("".join(trace.format()), secrets).rstrip("\n")
    return text if len(text) <= _MAX_TRACEBACK_CHARS else f"[...]\n{text[-_MAX_TRACEBACK_CHARS:]}"


def _chain(trace: TracebackException) -> Iterator[TracebackException]:
    """Yield a traceback and those of its causes, contexts and group members."""
    yield trace
    for before in (trace.__cause__, trace.__context__, *(trace.exceptions or ())):
        if before is not None:
            yield from _chain(before)


def _shortened(text: str) -> str:
    return text if len(text) <= _MAX_ERROR_CHARS else f"{text[: _MAX_ERROR_CHARS - 3]}..."


def _short_place(filename: str, line: int | None) -> str:
    path = Path(filename)
    return f"{path.parent.name}/{path.name}:{line}"
