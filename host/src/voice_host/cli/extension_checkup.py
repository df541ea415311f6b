"""Taking extensions through every phase for `voice-host check`."""

from __future__ import annotations

from voice_host.cli.checkup import Verdict
from voice_host.discovery import Phase, clashing_pins
from voice_host.extensions import (
    HOST_EXTENSION,
    BrokenExtension,
    DiscoveredExtension,
    Extensions,
    LoadedExtension,
    discover_extensions,
    load_extensions,
)
from voice_host.providers.builtin import BuiltInProviders
from voice_host.settings import Settings


def check_extensions(settings: Settings) -> tuple[list[Verdict], Extensions]:
    """Return a verdict for each installed extension, and those that work, for the agents to be checked with."""
    outcomes = load_extensions(settings, BuiltInProviders(settings))
    working = Extensions(outcome for outcome in outcomes if isinstance(outcome, LoadedExtension))
    verdicts = [_verdict(outcome) for outcome in outcomes if outcome.id != HOST_EXTENSION]
    verdicts += [
        Verdict(*_named(found), Phase.DISCOVERED, "not allowed", kind="extension")
        for found in map(_discovered, discover_extensions())
        if not settings.extensions.allows(found.id)
    ]
    return sorted(verdicts, key=lambda verdict: verdict.id), working


def _verdict(outcome: LoadedExtension | BrokenExtension) -> Verdict:
    found = outcome.discovered
    clashes = tuple(str(clash) for clash in clashing_pins(found.distribution)) if found.distribution else ()
    if isinstance(outcome, LoadedExtension):
        warnings = (*outcome.warnings, *clashes)
        return Verdict(*_named(found), Phase.STARTED, "ok", outcome.import_ms, warnings=warnings, kind="extension")
    return Verdict(
        *_named(found),
        outcome.phase,
        "broken",
        import_ms=outcome.import_ms,
        error=outcome.error,
        hint=outcome.hint,
        where=outcome.where,
        warnings=clashes,
        kind="extension",
    )


def _named(found: DiscoveredExtension) -> tuple[str, str | None, str | None]:
    return found.id, found.distribution or None, found.version or None


def _discovered(outcome: DiscoveredExtension | BrokenExtension) -> DiscoveredExtension:
    return outcome.discovered if isinstance(outcome, BrokenExtension) else outcome
