"""Speech services that run on this machine."""

from __future__ import annotations

import asyncio
import logging
from abc import ABC, abstractmethod

from voice_host_sdk import ProviderError

_logger = logging.getLogger(__name__)


class CannotWork(ProviderError):
    """A service cannot work on this machine.

    Attributes:
        problem: why, and what to do about it, for the operator.
    """

    def __init__(self, message: str, *, code: str, problem: str) -> None:
        super().__init__(message, code=code, retryable=False)
        self.problem = problem


class LocalService(ABC):
    """Base of speech services that need optional packages and load a model before they can work.

    The host checks for this class, not for methods: a third party's methods of the same names may mean anything.

    Args:
        problem: why it cannot work on this machine, if that is known from the start.
        unloadable: the problem to report if the model cannot be loaded.

    Attributes:
        problem: why it cannot work on this machine and what to do about it; None: it can, as far as is known.
    """

    def __init__(self, *, problem: str | None, unloadable: str) -> None:
        self.problem = problem
        self._unloadable = unloadable
        self._lacks_packages = problem is not None
        self._loading: asyncio.Task[None] | None = None

    def prepare(self) -> asyncio.Task[None]:
        """Start loading the model in the background, unless that has been done. The first call then need not wait.

        The task never fails: `problem` says whether the model could be loaded. After a failure, call this to try again.
        """
        if self._loading is None or (self._loading.done() and self.problem is not None):
            self._loading = asyncio.create_task(self._load_or_report(), name=f"load-{type(self).__name__}")
        return self._loading

    async def works(self) -> bool:
        """Return whether it can work, as far as is known. If loading has failed before, it is tried again."""
        loading = self.prepare()
        if self.problem is not None:
            await asyncio.wait((loading,))
        return self.problem is None

    async def stop_loading(self) -> None:
        """Cancel loading. Idempotent."""
        if self._loading is not None:
            self._loading.cancel()
            await asyncio.wait((self._loading,))

    @abstractmethod
    async def load(self) -> None:
        """Load the model. May raise anything; a retryable `ProviderError` does not mean that it cannot work."""

    async def _load_or_report(self) -> None:
        if self._lacks_packages:
            return
        try:
            await self.load()
        except CannotWork as error:
            self.problem = error.problem  # logged by the process that has the model
        except Exception as error:  # noqa: BLE001 (logged below, without the engine's traceback)
            if isinstance(error, ProviderError) and error.retryable:
                _logger.warning("%s is not ready: %s", type(self).__name__, error)
                return
            self.problem = self._unloadable
            cause = error.__cause__ or error  # the error itself is worded for callers and says less
            _logger.warning("%s (%s: %s)", self.problem, type(cause).__name__, cause)
        else:
            self.problem = None
