"""Running customers' code so that whatever it does ends up in one outcome of one agent."""

from __future__ import annotations

import inspect
import signal
import threading
import traceback
from collections.abc import Callable, Iterable
from pathlib import Path
from types import FrameType
from typing import Any

from voice_host.plugins.own_traceback import own_traceback
from voice_host.plugins.phases import BrokenAgent, DiscoveredAgent, Phase
from voice_host.settings import redact

_MAX_ERROR_CHARS = 300
_OURS = ("voice_host", "pluggy", "importlib", "asyncio")
"""What stands between the host and a plugin in a traceback."""

_EXITS = "a plugin never ends the process: raise an exception that says what is wrong"


class PhaseFailed(Exception):
    """An agent did not pass a phase. See `BrokenAgent` for the fields; secrets may still be in them."""

    def __init__(self, phase: Phase, error: str, hint: str | None = None, where: str | None = None) -> None:
        super().__init__(error)
        self.phase = phase
        self.error = error
        self.hint = hint
        self.where = where

    def outcome(self, agent: DiscoveredAgent, secrets: Iterable[str], import_ms: float | None) -> BrokenAgent:
        """Return what may be shown: without the secrets, and short."""
        known = list(secrets)
        traceback = own_traceback(self.__cause__, known) if self.__cause__ is not None else None
        return BrokenAgent(agent, self.phase, *self.told(known), self.where, import_ms, traceback)

    def told(self, secrets: Iterable[str]) -> tuple[str, str | None]:
        """Return error and hint as they may be shown."""
        known = list(secrets)
        return _shortened(redact(self.error, known)), redact(self.hint, known) if self.hint else None


class SignalWatch:
    """Within it, tells Ctrl-C, which is a person's wish, from a `KeyboardInterrupt` that a plugin's code raises.

    Signals reach the main thread alone; in any other thread it can only be the code.
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
    """Turn whatever a plugin raises into `PhaseFailed`: `SystemExit` and `KeyboardInterrupt` included, but not Ctrl-C.

    For code that is called and not awaited; what is awaited goes through `voice_host.tenancy.isolated`.

    Args:
        phase: the phase that is not passed then.
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
    """Return what is said of a plugin whose code raised `error`."""
    hint = hint or (_EXITS if isinstance(error, (SystemExit, KeyboardInterrupt)) else None)
    return PhaseFailed(phase, f"{doing}: {describe(error)}", hint, place(error))


def describe(error: BaseException) -> str:
    """Return an exception as one line: its type and its message."""
    if isinstance(error, SystemExit):
        return f"it called sys.exit({error.code!r})" if error.code is not None else "it called sys.exit()"
    try:
        message = " ".join(str(error).split())
    except BaseException:  # noqa: BLE001 - a customer's exception whose __str__ raises; its type still says something
        message = ""
    return f"{type(error).__name__}: {message}" if message else type(error).__name__


def place(error: BaseException) -> str | None:
    """Return file and line of the last frame in the plugin's own package, where its author should look."""
    if isinstance(error, SyntaxError) and error.filename:  # it has no frame: the code never ran
        return short_place(error.filename, error.lineno)
    package, found = None, None
    for frame, line in traceback.walk_tb(error.__traceback__):
        top = str(frame.f_globals.get("__name__", "")).partition(".")[0]
        if package is None and top not in _OURS:
            package = top
        if package is not None and top == package:
            found = short_place(frame.f_code.co_filename, line)
    return found


def function_place(function: object) -> str | None:
    """Return file and line where a function begins, or the class of an object; None where it has no source."""
    code = getattr(inspect.unwrap(function) if callable(function) else function, "__code__", None)
    return short_place(code.co_filename, code.co_firstlineno) if code is not None else None


def _shortened(text: str) -> str:
    return text if len(text) <= _MAX_ERROR_CHARS else f"{text[: _MAX_ERROR_CHARS - 3]}..."


def short_place(filename: str, line: int | None) -> str:
    path = Path(filename)
    return f"{path.parent.name}/{path.name}:{line}"
