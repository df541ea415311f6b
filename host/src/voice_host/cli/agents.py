"""`voice-host agents`: what is installed, from metadata alone."""

from __future__ import annotations

from typing import Any

from voice_host.cli.output import (
    ConfigOption,
    JsonOption,
    print_json,
    print_line,
    print_table,
    say_warning,
    settings_or_exit,
)
from voice_host.plugins import (
    BrokenAgent,
    DiscoveredAgent,
    absent_agents,
    discover_agents,
    nothing_to_run,
    sdk_mismatch,
)
from voice_host.settings import Settings


def agents(as_json: JsonOption = False, config: ConfigOption = None) -> None:
    """List the installed agents. Nothing of them is imported.

    Examples:

    `voice-host agents`

    `voice-host agents --json | jq -r '.[].id'`
    """
    settings = settings_or_exit(config)
    outcomes = discover_agents()
    for absent in absent_agents(settings, {outcome.id for outcome in outcomes}):
        say_warning(str(absent))
    rows = [_row(outcome, settings) for outcome in outcomes]
    if as_json:
        print_json(rows)
    elif rows:
        print_table(
            ["id", "distribution", "version", "allowed", "SDK range", "error"],
            (
                [
                    row["id"],
                    row["distribution"],
                    row["version"],
                    ("yes" if row["enabled"] else "disabled") if row["allowed"] else "no",
                    row["sdk_requirement"] or "not declared",
                    row["error"] or "",
                ]
                for row in rows
            ),
        )
    else:
        print_line(nothing_to_run(settings, 0))


def _row(outcome: DiscoveredAgent | BrokenAgent, settings: Settings) -> dict[str, Any]:
    agent = outcome.discovered if isinstance(outcome, BrokenAgent) else outcome
    mismatch = sdk_mismatch(agent)
    error = outcome.error if isinstance(outcome, BrokenAgent) else mismatch.error if mismatch else None
    return {
        "id": agent.id,
        "distribution": agent.distribution,
        "version": agent.version,
        "entry_point": agent.entry_point,
        "sdk_requirement": agent.sdk_requirement,
        "allowed": settings.agents.allows(agent.id),
        "enabled": settings.for_agent(agent.id).enabled,
        "required": agent.id in settings.agents.required,
        "error": error,
    }
