"""Checking an agent in its own environment, in a process of that environment's interpreter."""

from __future__ import annotations

import json
import sys
from collections.abc import Collection
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from voice_host.fleet.report import AgentReport
from voice_host.plugins import Phase
from voice_host.plugins.requirements import HOST_DISTRIBUTION
from voice_host.releases.child import Ended, run_child
from voice_host.releases.release import Release
from voice_host.settings import Settings
from voice_host.settings.transfer import settings_to_send
from voice_host.supervisor.environment import environment_elsewhere, keys_for, variables_for
from voice_host.supervisor.spawn import confined_python
from voice_host.workers.messages import PROTOCOL, Order, Started

MODULE = "voice_host.workers.check"

REST_S = 120.0
"""What the process may take beyond the limit on the import and the hooks: starting Python, `on_startup`, `on_shutdown`,
all of which have their own limits. It bounds what those cannot interrupt."""

_MAX_TRACE_CHARS = 10_000


def order_for(release: Release, settings: Settings, extensions: Collection[str] = ()) -> Order:
    """Return what a worker of a release gets, with the settings of production.

    Args:
        extensions: the names of those that workers load, too.
    """
    return Order(
        release=release,
        settings=settings_to_send(settings, release.agent_id, extensions),
        keys=keys_for(settings, release.agent_id),
        variables=variables_for(settings, release.agent_id),
    )


async def check_in_environment(release: Release, order: Order, *, limit_s: float) -> AgentReport:
    """Take an agent through every phase in a process of its environment. Never raises for what the agent does.

    Args:
        order: what a worker of the release would get.
        limit_s: seconds that the import and the hooks of the agent may take.
    """
    python = release.python or Path(sys.executable)
    command = [*confined_python(python, order.confinement), "-P", "-m", MODULE, str(limit_s)]
    try:
        ended = await run_child(
            command,
            folder=python.parent,
            variables=environment_elsewhere(),
            limit_s=limit_s + REST_S,
            input_bytes=order.model_dump_json().encode() + b"\n",
        )
    except TimeoutError:
        return _broken(release, f"its check took longer than {limit_s + REST_S:g} s", "does its code hang?")
    except OSError as error:
        return _broken(release, f"{python} cannot be run: {error.strerror}", "make the environment again")
    return _report(release, ended)


def _report(release: Release, ended: Ended) -> AgentReport:
    try:
        answer: Any = json.loads(ended.stdout)
        if answer["protocol"] != PROTOCOL:
            return _other_host(release)
        return Started.model_validate(answer).report
    except (ValueError, ValidationError, KeyError, TypeError):
        if f"No module named {MODULE}" in ended.stderr or "No module named 'voice_host" in ended.stderr:
            return _other_host(release)
        how = f"the check of it {ended.how}" if ended.code >= 0 else f"it was {ended.how}"
        return _broken(release, f"{how} before it was over", "its code ends the process", ended.stderr)


def _other_host(release: Release) -> AgentReport:
    return _broken(
        release,
        f"its environment has another version of {HOST_DISTRIBUTION} than this host",
        f"install the {HOST_DISTRIBUTION} of this host in {release.environment}",
    )


def _broken(release: Release, error: str, hint: str, stderr: str = "") -> AgentReport:
    fault = stderr.find("Fatal Python error")
    return AgentReport(
        id=release.agent_id,
        status="broken",
        distribution=release.distribution,
        version=release.version,
        entry_point=release.entry_point,
        sdk_requirement=release.sdk_requirement,
        phase=Phase.IMPORTED,
        error=error,
        hint=hint,
        traceback=stderr[fault:][:_MAX_TRACE_CHARS] if fault >= 0 else None,
    )
