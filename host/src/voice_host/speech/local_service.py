"""Speech services that run on this machine."""

from __future__ import annotations

import asyncio
import logging
from abc import ABC, abstractmethod

_logger = logging.getLogger(__name__)


class LocalService(ABC):
    """A speech service that needs certain packages, and a model that is loaded before it can work.

    The host asks its services by this class, not by the names of methods: those of a third party mean something else.

    Args:
        problem: why it cannot work here, if that is known from the start.
        unloadable: the problem there is when its model cannot be loaded.

    Attributes:
        problem: why it cannot work on this machine and what to do about it; None: it can, as far as is known.
    """

    def __init__(self, *, problem: str | None, unloadable: str) -> None:
        self.problem = problem
        self._unloadable = unloadable
        self._lacks_packages = problem is not None
        self._loading: asyncio.Task[None] | None = None

    def prepare(self) -> asyncio.Task[None]:
        """Begin to load the model, unless that is under way or done: the first call need not wait for it.

        The task never fails: `problem` tells whether the model could be loaded. After a failure this tries again.
        """
        if self._loading is None or (self._loading.done() and self.problem is not None):
            self._loading = asyncio.create_task(self._load_or_tell(), name=f"load-{type(self).__name__}")
        return self._loading

    async def works(self) -> bool:
        """Whether it can work, as far as is known. Where loading has failed before, that is tried again."""
        loading = self.prepare()
        if self.problem is not None:
            await asyncio.wait((loading,))
        return self.problem is None

    async def stop_loading(self) -> None:
        """Give up loading. Idempotent."""
        if self._loading is not None:
            self._loading.cancel()
            await asyncio.wait((self._loading,))

    @abstractmethod
    async def load(self) -> None:
        """Load the model. May raise anything."""

    async def _load_or_tell(self) -> None:
        if self._lacks_packages:
            return
        try:
            await self.load()
        except Exception as error:  # noqa: BLE001 (it is told, without a trace of the engine's insides)
            self.problem = self._unloadable
            cause = error.__cause__ or error  # what a caller may hear of it says less
            _logger.warning("%s (%s: %s)", self.problem, type(cause).__name__, cause)
        else:
            self.problem = None
