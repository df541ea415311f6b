"""The steps of a deployment, as they are reported, and `DeployRefused`, how one fails. Plain data."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from voice_host.clock import now_s
from voice_host.fleet.report import AgentReport


class Step(BaseModel):
    """A step of a deployment has begun, or is over. Each step is reported twice."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(description='What it does, for people: "install", "check".')
    state: Literal["started", "done", "failed"]
    detail: str = Field(default="", description="What it works on, what came of it, or why it failed.")
    seconds: float | None = Field(default=None, description="How long it took; None: it has just begun.")


DISK_FULL = "make room on the disk of the data directory: old releases are removed with `voice-host remove`"

Progress = Callable[[Step], None]
"""Takes each step as it happens. Called in the event loop; must not block and must not raise."""


def ignore(step: Step) -> None:
    """Report a step to nobody."""


class DeployRefused(Exception):
    """A release was not deployed. Nothing has changed, and nothing was left behind.

    Attributes:
        message: why, for the person who deploys. May have several lines, e.g. what uv said. Contains no secrets.
        hint: what to do about it; None: the message says it.
        phase: the name of the step that failed.
        report: what `voice-host check` says about the agent, if it was checked and is broken.
    """

    def __init__(self, message: str, hint: str | None = None, *, phase: str, report: AgentReport | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.phase = phase
        self.report = report


@dataclass
class Outcome:
    """What is reported when a step is over."""

    detail: str = ""


@contextmanager
def step(progress: Progress, name: str, detail: str = "") -> Iterator[Outcome]:
    """Report the enclosed work as a step. What it raises passes, and the step has failed.

    An `OSError`, such as that of a full disk, becomes a `DeployRefused`.
    """
    begun = now_s()
    outcome = Outcome()
    progress(Step(name=name, state="started", detail=detail))
    try:
        with _refusing_os_errors(name):
            yield outcome
    except BaseException as error:
        why = error.message if isinstance(error, DeployRefused) else type(error).__name__
        progress(Step(name=name, state="failed", detail=why.partition("\n")[0], seconds=now_s() - begun))
        raise
    progress(Step(name=name, state="done", detail=outcome.detail or detail, seconds=now_s() - begun))


_HINTS = {
    errno.ENOSPC: DISK_FULL,
    errno.EDQUOT: DISK_FULL,
    errno.EFBIG: DISK_FULL,
    errno.EACCES: "the host must be able to write its data directory: [data] dir",
    errno.EROFS: "the host must be able to write its data directory: [data] dir",
}


@contextmanager
def _refusing_os_errors(phase: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        where = f": {error.filename}" if error.filename else ""
        raise DeployRefused(
            f"{error.strerror or type(error).__name__}{where}", _HINTS.get(error.errno or 0), phase=phase
        ) from error
