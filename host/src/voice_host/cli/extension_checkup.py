"""Taking extensions through every phase for `voice-host check`."""

from __future__ import annotations

import asyncio

from voice_host.cli.checkup import Verdict
from voice_host.plugins import (
    HOST_EXTENSION,
    BrokenExtension,
    DiscoveredPlugin,
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


def check_extensions(settings: Settings) -> tuple[list[Verdict], Extensions]:
    """Return a verdict for each installed extension, and those that work, for the agents to be checked with."""
    outcomes = load_extensions(settings, BuiltInProviders(settings))
    outcomes = asyncio.run(_used(settings, outcomes))
    working = Extensions(outcome for outcome in outcomes if isinstance(outcome, LoadedExtension))
    verdicts = [_verdict(outcome) for outcome in outcomes if outcome.id != HOST_EXTENSION]
    verdicts += [
        Verdict(*_named(found), Phase.DISCOVERED, "not allowed", kind="extension")
        for found in map(_discovered, discover_extensions())
        if not settings.extensions.allows(found.id)
    ]
    return sorted(verdicts, key=lambda verdict: verdict.id), working


async def _used(settings: Settings, outcomes: list[Outcome]) -> list[Outcome]:
    """Let those that are loaded add their routes, start and stop, as `serve` does, and return what came of it."""
    # Imported here: it brings the web framework and the model library along.
    from voice_host.fleet.local import Host
    from voice_host.front.app import create_host_app
    from voice_host.speech.select import SpeechServices

    loaded = Extensions(outcome for outcome in outcomes if isinstance(outcome, LoadedExtension))
    host = Host(settings, SpeechServices(settings, loaded), extensions=loaded)
    broken: dict[str, BrokenExtension] = {}
    try:
        create_host_app(host)
    except ExtensionsBroken as error:
        broken = {each.id: each for each in error.broken}
    finally:
        await host.stop()
    return [broken.get(outcome.id) or await _started_and_stopped(outcome, settings) for outcome in outcomes]


async def _started_and_stopped(outcome: Outcome, settings: Settings) -> Outcome:
    if isinstance(outcome, LoadedExtension):
        outcome = await start_extension(outcome, settings.server.start_timeout_s)
    if isinstance(outcome, LoadedExtension):
        outcome = await stop_extension(outcome, settings.server.stop_timeout_s)
    return outcome


def _verdict(outcome: LoadedExtension | BrokenExtension) -> Verdict:
    found = outcome.discovered
    violated = tuple(map(str, violations(found.distribution))) if found.distribution else ()
    if isinstance(outcome, LoadedExtension):
        warnings = (*outcome.warnings, *violated)
        return Verdict(*_named(found), Phase.STARTED, "ok", outcome.import_ms, warnings=warnings, kind="extension")
    return Verdict(
        *_named(found),
        outcome.phase,
        "broken",
        import_ms=outcome.import_ms,
        error=outcome.error,
        hint=outcome.hint,
        where=outcome.where,
        warnings=violated,
        kind="extension",
    )


def _named(found: DiscoveredPlugin) -> tuple[str, str | None, str | None]:
    return found.id, found.distribution or None, found.version or None


def _discovered(outcome: DiscoveredPlugin | BrokenExtension) -> DiscoveredPlugin:
    return outcome.discovered if isinstance(outcome, BrokenExtension) else outcome
