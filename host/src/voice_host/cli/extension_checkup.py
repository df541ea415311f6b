"""Taking extensions through every phase for `voice-host check`."""

from __future__ import annotations

import asyncio

from voice_host.fleet.report import AgentReport, report_of
from voice_host.plugins import (
    HOST_EXTENSION,
    BrokenExtension,
    Extensions,
    ExtensionsBroken,
    LoadedExtension,
    Phase,
    discover_extensions,
    load_extensions,
    start_extension,
    stop_extension,
    violations,
)
from voice_host.settings import Settings
from voice_host.speech.builtin import BuiltInProviders

Outcome = LoadedExtension | BrokenExtension


def check_extensions(settings: Settings) -> tuple[list[AgentReport], Extensions]:
    """Return a report on each installed extension, and those that work, for the agents to be checked with."""
    outcomes = load_extensions(settings, BuiltInProviders(settings))
    outcomes = asyncio.run(_used(settings, outcomes))
    working = Extensions(outcome for outcome in outcomes if isinstance(outcome, LoadedExtension))
    reports = [_report(outcome, settings) for outcome in outcomes if outcome.id != HOST_EXTENSION]
    reports += [
        report_of(found, settings, status="not allowed")
        for found in (each.discovered if isinstance(each, BrokenExtension) else each for each in discover_extensions())
        if not settings.extensions.allows(found.id)
    ]
    return sorted(reports, key=lambda report: report.id), working


async def _used(settings: Settings, outcomes: list[Outcome]) -> list[Outcome]:
    """Let those that are loaded add their routes, start and stop, as `serve` does, and return what came of it."""
    # Imported here: it brings the web framework along.
    from voice_host.fleet.local import build
    from voice_host.front.app import create_host_app

    loaded = Extensions(outcome for outcome in outcomes if isinstance(outcome, LoadedExtension))
    agents = build(settings, loaded, agents=[])
    broken: dict[str, BrokenExtension] = {}
    try:
        create_host_app(agents, settings, extensions=loaded)
    except ExtensionsBroken as error:
        broken = {each.id: each for each in error.broken}
    finally:
        await agents.stop()
    return [broken.get(outcome.id) or await _started_and_stopped(outcome, settings) for outcome in outcomes]


async def _started_and_stopped(outcome: Outcome, settings: Settings) -> Outcome:
    if isinstance(outcome, LoadedExtension):
        outcome = await start_extension(outcome, settings.server.start_timeout_s)
    if isinstance(outcome, LoadedExtension):
        outcome = await stop_extension(outcome, settings.server.stop_timeout_s)
    return outcome


def _report(outcome: Outcome, settings: Settings) -> AgentReport:
    report = report_of(outcome, settings)
    distribution = outcome.discovered.distribution
    violated = map(str, violations(distribution)) if distribution else ()
    works = {"status": "ready", "phase": Phase.STARTED} if isinstance(outcome, LoadedExtension) else {}
    return report.model_copy(update={**works, "warnings": (*report.warnings, *violated)})
