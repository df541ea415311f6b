"""Taking agents through every phase for `voice-host check`."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from voice_host.cli.time_limit import time_limit
from voice_host.fleet.report import AgentReport, report_of
from voice_host.fleet.service import RequiredAgentBroken
from voice_host.plugins import (
    AbsentAgent,
    BrokenAgent,
    DiscoveredAgent,
    LoadedAgent,
    Phase,
    load_agent,
    unread_settings,
    violations,
)
from voice_host.settings import Settings

if TYPE_CHECKING:
    from voice_host.plugins import Extensions


async def check_agents(
    settings: Settings,
    outcomes: Sequence[DiscoveredAgent | BrokenAgent],
    ids: Collection[str] | None,
    extensions: Extensions,
    *,
    limit_s: float,
) -> list[AgentReport]:
    """Return a report on each agent, or on those that `ids` names, one agent after the other.

    Loading blocks the event loop, which nothing else uses. An agent that is asked for by name and not allowed to run
    is broken, because it will not run; otherwise leaving it out is what the platform wants.

    Args:
        limit_s: seconds that the import and the hooks of one agent may take together.
    """
    reports = []
    for outcome in outcomes:
        if ids is not None and outcome.id not in ids:
            continue
        required = ids is not None or outcome.id in settings.agents.required
        report = await _check(outcome, settings, extensions, required=required, limit_s=limit_s)
        reports.append(_with_warnings(report, *_violations(outcome)))
    return reports


def required_but_absent(absent: Sequence[AbsentAgent]) -> list[AgentReport]:
    """Return a report on each agent that has to run and is not installed."""
    return [
        AgentReport(id=agent.id, status="broken", required=True, error="required, but not installed")
        for agent in absent
        if agent.required
    ]


async def _check(
    outcome: DiscoveredAgent | BrokenAgent,
    settings: Settings,
    extensions: Extensions,
    *,
    required: bool,
    limit_s: float,
) -> AgentReport:
    if not settings.agents.allows(outcome.id):
        discovered = outcome.discovered if isinstance(outcome, BrokenAgent) else outcome
        if not required:
            return report_of(discovered, settings, status="not allowed")
        hint = "add it to [agents] allow"
        return report_of(BrokenAgent(discovered, Phase.ALLOWED, "the allow-list leaves it out", hint), settings)
    if isinstance(outcome, BrokenAgent):
        return report_of(outcome, settings)
    if not settings.for_agent(outcome.id).enabled and not required:
        return report_of(outcome, settings, status="disabled")
    with time_limit(limit_s):
        loaded = load_agent(outcome, settings.for_agent(outcome.id).settings)
    if isinstance(loaded, BrokenAgent):
        return report_of(loaded, settings)
    return await _lifecycle(loaded, settings, extensions)


async def _lifecycle(loaded: LoadedAgent, settings: Settings, extensions: Extensions) -> AgentReport:
    """Start an agent as `voice-host serve` does, begin a session, and stop it."""
    # Imported here: a check of metadata alone should not wait for the model library.
    from voice_host.cli.sample_session import session_problem
    from voice_host.fleet.local import build

    agents = build(settings, extensions, agents=[loaded])
    try:
        with suppress(RequiredAgentBroken):
            await agents.start()
        if agents.report.agents[loaded.id].status != "ready":
            return agents.report.agents[loaded.id]
        unread = unread_settings(loaded, settings)
        await agents.prepare_speech()
        problem = await session_problem(loaded, agents.runtime(loaded.id), settings.agents.callback_timeout_s)
        read_since = set(unread).difference(unread_settings(loaded, settings))
    finally:
        await agents.stop()
    if isinstance(problem, BrokenAgent):
        return report_of(problem, settings)
    report = agents.report.agents[loaded.id]
    if report.status != "ready":
        return report
    warnings = [warning for warning in report.warnings if warning not in read_since]
    return _with_warnings(report.model_copy(update={"warnings": ()}), *warnings, problem, report.speech_problem)


def _with_warnings(report: AgentReport, *warnings: str | None) -> AgentReport:
    return report.model_copy(update={"warnings": (*report.warnings, *filter(None, warnings))})


def _violations(outcome: DiscoveredAgent | BrokenAgent) -> list[str]:
    found = outcome.discovered if isinstance(outcome, BrokenAgent) else outcome
    return [str(violation) for violation in violations(found.distribution)]
