"""`voice-host agents`: lists the installed agents and the deployed releases from their metadata."""

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
from voice_host.plugins import BrokenAgent, DiscoveredAgent, absent_agents, nothing_to_run, sdk_mismatch
from voice_host.releases.discovery import ListedAgent, list_agents
from voice_host.settings import Settings

SHOWN = {
    *("id", "distribution", "version", "entry_point", "sdk_requirement"),
    *("allowed", "enabled", "required", "error"),
}
"""What `--json` prints of an `AgentReport`, beside `release` and `environment`."""


def agents(as_json: JsonOption = False, config: ConfigOption = None) -> None:
    """List the installed agents and the deployed releases, without importing them.

    Examples:

    `voice-host agents`

    `voice-host agents --json | jq -r '.[].id'`
    """
    settings = settings_or_exit(config)
    listed = list_agents(settings)
    for absent in absent_agents(settings, {each.agent.id for each in listed}):
        say_warning(str(absent))
    if as_json:
        print_json([_as_data(each, settings) for each in listed])
    elif listed:
        _print(listed, settings)
    else:
        print_line(nothing_to_run(settings, 0))


def _as_data(listed: ListedAgent, settings: Settings) -> dict[str, object]:
    return {
        **_report(listed.agent, settings).model_dump(mode="json", include=SHOWN),
        "release": listed.release,
        "environment": None if listed.environment is None else str(listed.environment),
    }


def _print(listed: list[ListedAgent], settings: Settings) -> None:
    """Print the table. The release and the environment are left out if there is nothing but the host's environment."""
    elsewhere = any(each.environment for each in listed)
    rows = []
    for each in listed:
        report = _report(each.agent, settings)
        rows.append(
            [
                report.id,
                report.distribution or "",
                report.version or "",
                *([each.release or "installed", str(each.environment or "the host's own")] if elsewhere else []),
                ("yes" if report.enabled else "disabled") if report.allowed else "no",
                report.sdk_requirement or "not declared",
                report.error or "",
            ]
        )
    where = ["release", "environment"] if elsewhere else []
    print_table(["id", "distribution", "version", *where, "allowed", "SDK range", "error"], rows)


def _report(outcome: DiscoveredAgent | BrokenAgent, settings: Settings) -> AgentReport:
    own = isinstance(outcome, DiscoveredAgent) and outcome.environment is None
    mismatch = sdk_mismatch(outcome) if isinstance(outcome, DiscoveredAgent) and own else None
    return report_of(outcome, settings, **({"error": mismatch.error} if mismatch else {}))
