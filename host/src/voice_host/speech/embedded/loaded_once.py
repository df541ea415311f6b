"""Models that a process loads once and shares between its calls."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

_T = TypeVar("_T")


class LoadedOnce(Generic[_T]):
    """Calling it returns what `load` returned the first time. A failure is not kept: the next call tries again.

    What was loaded stays until the process ends. May be called from several threads at once.

    Attributes:
        load: loads it, and raises what is wrong with it.
    """

    def __init__(self, load: Callable[[], _T]) -> None:
        self.load = load
        self._loading = threading.Lock()
        self._loaded: _T | None = None

    def __call__(self) -> _T:
        with self._loading:
            if self._loaded is None:
                self._loaded = self.load()
            return self._loaded
