"""`CrashStack`: where a worker crashed or hung, from what `faulthandler` writes to its stderr."""

from __future__ import annotations

import re
from pathlib import PurePath

_BEGIN = "Fatal Python error: "
_MOST = 4
"""Most lines that are kept: tools may run in many threads."""

_FRAME = re.compile(r'  File "(?P<file>[^"]{1,1000})", line (?P<line>\d{1,7}) in (?P<function>.{1,200})')


class CrashStack:
    """Finds the innermost line of an agent's own code in each thread, in the stack trace of a fatal error or signal.

    Args:
        entry_point: of the agent: `package`, `package.module` or `package:object`.
    """

    def __init__(self, entry_point: str) -> None:
        self._package = re.split(r"[.:]", entry_point)[0]
        self._begun = False
        self._is_current = False
        self._thread_done = False
        self._found: list[str] = []

    def take(self, line: str) -> None:
        """Process the next line of the worker's stderr."""
        if line.startswith(_BEGIN):
            self._begun = True
        elif not self._begun:
            return
        elif (frame := _FRAME.fullmatch(line)) is None:
            self._is_current, self._thread_done = line.startswith("Current thread "), False
        elif not self._thread_done and (where := self._own(frame)) is not None:
            self._thread_done = True
            if where not in self._found and len(self._found) < _MOST:
                self._found.insert(0 if self._is_current else len(self._found), where)

    def _own(self, frame: re.Match[str]) -> str | None:
        path = PurePath(frame["file"])
        if path.stem == self._package and path.suffix == ".py":  # a single module
            return f"{path.name}:{frame['line']} in {frame['function']}"
        parents = path.parts[:-1]
        if self._package not in parents:
            return None
        begin = len(parents) - 1 - parents[::-1].index(self._package)
        return f"{'/'.join(path.parts[begin:])}:{frame['line']} in {frame['function']}"

    @property
    def where(self) -> str | None:
        """File, line and function, as `desk/tools.py:12 in look_up`; None: unknown.

        There is one for each thread that runs code of the agent, separated by commas, first that of the thread that got
        the signal. Which thread holds the GIL is not known.
        """
        return ", ".join(self._found) or None
