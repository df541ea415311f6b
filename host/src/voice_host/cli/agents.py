"""`voice-host agents`: lists the installed agents from their metadata."""

from __future__ import annotations

from voice_host.cli.output import (
    ConfigOption,
    JsonOption,
    print_json,
    print_line,
    print_table,
    say_warning,
    settings_or_exit,
)
from voice_host.fleet.report import AgentReport, report_of
from voice_host.plugins import (
    BrokenAgent,
    DiscoveredAgent,
    absent_agents,
    discover_agents,
    nothing_to_run,
    sdk_mismatch,
)
from voice_host.settings import Settings

SHOWN = {
    *("id", "distribution", "version", "entry_point", "sdk_requirement"),
    *("allowed", "enabled", "required", "error"),
}
"""What `--json` prints of an `AgentReport`."""


def agents(as_json: JsonOption = False, config: ConfigOption = None) -> None:
    """List the installed agents, without importing them.

    Examples:

    `voice-host agents`

    `voice-host agents --json | jq -r '.[].id'`
    """
    settings = settings_or_exit(config)
    outcomes = discover_agents()
    for absent in absent_agents(settings, {outcome.id for outcome in outcomes}):
        say_warning(str(absent))
    reports = [_report(outcome, settings) for outcome in outcomes]
    if as_json:
        print_json([report.model_dump(mode="json", include=SHOWN) for report in reports])
    elif reports:
        print_table(
            ["id", "distribution", "version", "allowed", "SDK range", "error"],
            (
                [
                    report.id,
                    report.distribution or "",
                    report.version or "",
                    ("yes" if report.enabled else "disabled") if report.allowed else "no",
                    report.sdk_requirement or "not declared",
                    report.error or "",
                ]
                for report in reports
            ),
        )
    else:
        print_line(nothing_to_run(settings, 0))


def _report(outcome: DiscoveredAgent | BrokenAgent, settings: Settings) -> AgentReport:
    mismatch = sdk_mismatch(outcome) if isinstance(outcome, DiscoveredAgent) else None
    return report_of(outcome, settings, **({"error": mismatch.error} if mismatch else {}))
