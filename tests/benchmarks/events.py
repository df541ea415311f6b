"""What a process of the benchmark saw of turns, kept until it is asked for, so that telling costs nothing meanwhile."""

from __future__ import annotations

import time

from tests.benchmarks.child import Line, Parent


class Events:
    """Times at which something happened to a turn, which its tag names."""

    def __init__(self) -> None:
        self._kept: list[tuple[str, str, float]] = []

    def note(self, tag: str, what: str, at_s: float | None = None) -> None:
        """Keep a time; None: now."""
        self._kept.append((tag, what, time.monotonic() if at_s is None else at_s))

    def report(self, parent: Parent, **more: object) -> None:
        """Tell the parent everything since the last time."""
        told: Line = {"told": "events", "events": self._kept, **more}
        parent.tell(told)
        self._kept = []
