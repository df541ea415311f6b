"""`voice-host check`: takes agents and extensions through every phase."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Collection, Sequence
from typing import Annotated, Any

import typer
from rich.text import Text

from voice_host.cli.exit_codes import FAILED
from voice_host.cli.output import (
    ConfigOption,
    JsonOption,
    fail,
    print_json,
    print_table,
    say_error,
    say_warning,
    settings_or_exit,
)
from voice_host.cli.phone_check import phone_as_data, print_phone
from voice_host.fleet.installed import installed_release
from voice_host.fleet.report import AgentReport, Status
from voice_host.phone.checking import Answering, PhoneCheck, check_phone
from voice_host.plugins import (
    AbsentAgent,
    DiscoveredAgent,
    Extensions,
    absent_agents,
    not_installed,
    nothing_to_run,
)
from voice_host.plugins.installing import installer
from voice_host.releases.checking import check_in_environment, order_for
from voice_host.releases.discovery import ListedAgent, list_agents, targets_at_start
from voice_host.settings import Settings, built_in_services

SHOWN = {
    *("id", "kind", "distribution", "version", "phase", "status"),
    *("import_ms", "error", "hint", "where", "warnings"),
}
"""What `--json` prints of an `AgentReport`."""

_STYLES: dict[Status, str] = {"ready": "green", "broken": "bold red"}


def check(
    ids: Annotated[
        list[str] | None, typer.Argument(metavar="ID", help="The agents to check. Default: all agents.")
    ] = None,
    as_json: JsonOption = False,
    timeout_s: Annotated[
        float, typer.Option("--timeout-s", min=0.1, help="Seconds that the import and the hooks of an agent may take.")
    ] = 60.0,
    config: ConfigOption = None,
) -> None:
    """Take agents through every phase of their start and stop, and report what fails.

    It imports the agents and the platform's extensions and runs their code, `on_startup` and `on_shutdown` included.
    It also looks at the settings of telephone calls, and prints what to enter at the carriers. The exit code is 1 if
    any agent or extension is broken, or calls cannot be taken.

    Examples:

    `voice-host check`

    `voice-host check front-desk --json`
    """
    settings = settings_or_exit(config)
    listed = list_agents(settings)
    installed = {each.agent.id for each in listed}
    for agent_id in ids or ():
        if agent_id not in installed:
            fail(not_installed(agent_id, installed), "see `voice-host agents`")
    absent = absent_agents(settings, installed)
    # Imported lazily: it loads the web framework and the agent runtime.
    from voice_host.cli.extension_checks import check_extensions

    # Agents may print, which must not end up in the JSON output.
    with contextlib.redirect_stdout(sys.stderr):
        extensions, working = check_extensions(settings)
        reports = asyncio.run(_check(listed, settings, ids or None, working, timeout_s))
    if ids:  # of the extensions, only broken ones matter then: they keep all agents from running
        extensions = [report for report in extensions if report.status == "broken"]
    reports += _required_but_absent(absent) if not ids else []
    phone = PhoneCheck() if ids else check_phone(settings, _answering(listed, settings))
    if as_json:
        found = [_as_data(report) for report in [*extensions, *reports]]
        print_json(found if phone.empty else [*found, phone_as_data(phone)])
    else:
        _print(extensions, "extension")
        _print(reports, "id")
        print_phone(phone)
    for agent in absent:
        (say_error if agent.required else say_warning)(str(agent))
    if not reports:
        fail("no agents are installed, so nothing was checked", f"install one with `{installer()} NAME`", FAILED)
    if all(report.status == "not allowed" for report in reports):
        fail(nothing_to_run(settings, len(installed)), "without `allow`, all installed agents run", FAILED)
    if phone.problems or any(report.status == "broken" for report in [*extensions, *reports]):
        raise typer.Exit(FAILED)


def _answering(listed: Sequence[ListedAgent], settings: Settings) -> Answering:
    """Return the agents that may answer telephone calls."""
    targets = targets_at_start(settings, listed)
    return {agent_id: named for agent_id, named in targets.items() if settings.agents.allows(agent_id)}


async def _check(
    listed: Sequence[ListedAgent],
    settings: Settings,
    ids: Collection[str] | None,
    extensions: Extensions,
    limit_s: float,
) -> list[AgentReport]:
    """Check agents: those of the host's own environment in this process, each other one in its environment."""
    from voice_host.fleet.check import check_agents, unchecked

    here = [each.agent for each in listed if each.environment is None]
    reports = await check_agents(settings, here, ids, extensions, limit_s=limit_s)
    for each in listed:
        agent = each.agent
        if each.environment is None or (ids is not None and agent.id not in ids):
            continue
        report = unchecked(agent, settings, required=ids is not None or agent.id in settings.agents.required)
        if report is None and isinstance(agent, DiscoveredAgent):
            release = installed_release(agent)
            order = order_for(release, settings, [extension.id for extension in extensions.with_speech])
            report = _with_speech_of_the_host(await check_in_environment(release, order, limit_s=limit_s))
        assert report is not None
        reports.append(report.model_copy(update={"id": each.name}))
    return sorted(reports, key=lambda report: report.id)


def _with_speech_of_the_host(report: AgentReport) -> AgentReport:
    """Leave out that speech models are missing in an environment, if a process of the host has them for its workers."""
    if any(each.process is not None and each.process.problem() is not None for each in built_in_services()):
        return report
    warnings = tuple(warning for warning in report.warnings if warning != report.speech_problem)
    return report.model_copy(update={"warnings": warnings})


def _required_but_absent(absent: Sequence[AbsentAgent]) -> list[AgentReport]:
    """Return a report on each required agent that is not installed."""
    return [
        AgentReport(id=agent.id, status="broken", required=True, error="required, but not installed")
        for agent in absent
        if agent.required
    ]


def _as_data(report: AgentReport) -> dict[str, Any]:
    return report.model_dump(mode="json", include=SHOWN) | {"status": _passed(report)}


def _passed(report: AgentReport) -> str:
    return "ok" if report.status == "ready" else report.status


def _print(reports: list[AgentReport], kind: str) -> None:
    if reports:
        print_table(
            [kind, "phase", "status", "import ms", "error"],
            (
                [
                    report.id,
                    report.phase,
                    Text(_passed(report), style=_STYLES.get(report.status, "dim")),
                    "-" if report.import_ms is None else f"{report.import_ms:.0f}",
                    _details(report),
                ]
                for report in reports
            ),
        )
    for report in reports:
        for warning in report.warnings:
            say_warning(f"{report.id}: {warning}")


def _details(report: AgentReport) -> str:
    """Return error, place and hint as one text."""
    place = f" ({report.where})" if report.where else ""
    hint = f" - {report.hint}" if report.hint else ""
    return f"{report.error or ''}{place}{hint}"
