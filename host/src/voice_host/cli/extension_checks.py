"""Taking extensions through every phase, for `voice-host check`. Importing it loads the agent runtime."""

from __future__ import annotations

import asyncio

from voice_host.fleet.local import build
from voice_host.fleet.report import AgentReport, report_of
from voice_host.front.app import create_host_app
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

_ExtensionOutcome = LoadedExtension | BrokenExtension


def check_extensions(settings: Settings) -> tuple[list[AgentReport], Extensions]:
    """Check all extensions. Returns the reports, and the extensions that work, for checking the agents."""
    outcomes = load_extensions(settings, BuiltInProviders(settings))
    outcomes = asyncio.run(_use(settings, outcomes))
    working = Extensions(outcome for outcome in outcomes if isinstance(outcome, LoadedExtension))
    reports = [_extension_report(outcome, settings) for outcome in outcomes if outcome.id != HOST_EXTENSION]
    reports += [
        report_of(found, settings, status="not allowed")
        for found in (each.discovered if isinstance(each, BrokenExtension) else each for each in discover_extensions())
        if not settings.extensions.allows(found.id)
    ]
    return sorted(reports, key=lambda report: report.id), working


async def _use(settings: Settings, outcomes: list[_ExtensionOutcome]) -> list[_ExtensionOutcome]:
    """Let the loaded extensions add their routes, start and stop, as in `serve`, and return the outcomes."""
    loaded = Extensions(outcome for outcome in outcomes if isinstance(outcome, LoadedExtension))
    agents = build(settings, loaded, agents=[])
    broken: dict[str, BrokenExtension] = {}
    try:
        create_host_app(agents, settings, extensions=loaded)
    except ExtensionsBroken as error:
        broken = {each.id: each for each in error.broken}
    finally:
        await agents.stop()
    return [broken.get(outcome.id) or await _start_and_stop(outcome, settings) for outcome in outcomes]


async def _start_and_stop(outcome: _ExtensionOutcome, settings: Settings) -> _ExtensionOutcome:
    if isinstance(outcome, LoadedExtension):
        outcome = await start_extension(outcome, settings.server.start_timeout_s)
    if isinstance(outcome, LoadedExtension):
        outcome = await stop_extension(outcome, settings.server.stop_timeout_s)
    return outcome


def _extension_report(outcome: _ExtensionOutcome, settings: Settings) -> AgentReport:
    report = report_of(outcome, settings)
    distribution = outcome.discovered.distribution
    violated = map(str, violations(distribution)) if distribution else ()
    works = {"status": "ready", "phase": Phase.STARTED} if isinstance(outcome, LoadedExtension) else {}
    return report.model_copy(update={**works, "warnings": (*report.warnings, *violated)})
