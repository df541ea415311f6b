"""The start-up output of `voice-host serve`: the address, the agents, and their services."""

from __future__ import annotations

from collections.abc import Collection
from textwrap import indent

from rich.console import Console
from rich.table import Table
from rich.text import Text

from voice_host.fleet.report import AgentReport, ReleaseReport
from voice_host.fleet.service import FleetReport
from voice_host.observability.logs import MAX_TRACE_CHARS
from voice_host.observability.printable import printable
from voice_host.phone.checking import PhoneCheck

DEMO_MODEL_NOTICE = (
    "No language model is configured for {agents}: answers are found by matching words. "
    "Set VOICE_HOST_MODEL, e.g. to openai:gpt-4.1-mini with OPENAI_API_KEY, or ASSEMBLYAI_API_KEY."
)
COLUMNS = ("agent", "status", "listens", "speaks", "model", "from")


def print_banner(
    report: FleetReport,
    url: str,
    console: Console,
    access: str | None = None,
    *,
    phone: PhoneCheck | None = None,
    advice: str | None = None,
    tracebacks: bool = False,
) -> None:
    """Print the start-up output.

    Args:
        access: a note about who may call.
        phone: what was found in the settings of telephone calls.
        advice, tracebacks: as for `print_broken`.
    """
    console.print(Text.assemble("Talk to your agents at ", (url, "bold cyan"), "   (Ctrl-C stops the host)\n"))
    if access:
        console.print(Text(f"{access}\n", "yellow"))
    if phone is not None and not phone.empty:
        _print_phone(phone, console)
    if report.why_empty:
        console.print(Text(report.why_empty))
        return
    agents = report.agents.values()
    console.print(_table(agents))
    for agent in agents:
        if agent.status == "broken":
            print_broken(agent, console, advice, tracebacks=tracebacks)
    for problem in dict.fromkeys(agent.speech_problem for agent in agents if agent.speech_problem is not None):
        console.print(Text(f"\n{problem}", "yellow"))
    used = {agent.id: agent.providers for agent in agents if agent.providers is not None}
    for notice in dict.fromkeys(notice for agent in agents for notice in agent.speech_notices or ()):
        console.print(Text(f"\n{notice}", "yellow"))
    if demo := [agent_id for agent_id, providers in used.items() if providers.model == "demo"]:
        console.print(Text(DEMO_MODEL_NOTICE.format(agents=", ".join(demo)), "yellow"))


def _print_phone(phone: PhoneCheck, console: Console) -> None:
    for webhook, address in phone.webhooks:
        console.print(Text.assemble(f"Webhook for {webhook.carrier.capitalize()}: ", (address, "cyan")))
    for problem in phone.problems:
        console.print(Text(f"Telephone calls: {problem}", "yellow"))
    console.print()


def _table(agents: Collection[AgentReport]) -> Table:
    """Return the table of agents, with columns for workers and for releases where there are some to tell of."""
    columns = list(COLUMNS)
    if workers := any(agent.releases for agent in agents):
        columns.append("workers")
    if releases := any(len(agent.releases) > 1 or any(each.aliases for each in agent.releases) for agent in agents):
        columns.append("releases")
    table = Table(*columns, box=None, pad_edge=False, header_style="bold")
    for agent in agents:
        package = printable(f"{agent.distribution} {agent.version}")
        more = [str(sum(len(release.workers) for release in agent.releases))] if workers else []
        if releases:
            more.append(", ".join(map(_release, agent.releases)))
        table.add_row(Text(agent.id), *_cells(agent), Text(package), *map(Text, more))
    return table


def _release(release: ReleaseReport) -> str:
    traffic = f" {release.traffic} %" if release.traffic else ""
    return printable(f"{release.name}{traffic}{''.join(f' @{alias}' for alias in release.aliases)}")


def _cells(agent: AgentReport) -> list[Text]:
    if agent.providers is not None:
        providers = agent.providers
        return [Text("ready", "green"), *map(Text, map(printable, (providers.stt, providers.tts, providers.model)))]
    status = Text("disabled", "dim") if agent.status == "disabled" else Text("broken", "red")
    return [status, Text("-"), Text("-"), Text("-")]


def print_broken(agent: AgentReport, console: Console, advice: str | None = None, *, tracebacks: bool = False) -> None:
    """Print why an agent is broken.

    Args:
        advice: what to do if the error has no hint; default: to run `voice-host check`.
        tracebacks: whether to print the stack trace, too.
    """
    place = f" ({agent.where})" if agent.where else ""
    message = printable(f" was not {agent.phase}: {agent.error}{place}", keep="\n")
    console.print(Text.assemble("\n", (agent.id, "bold"), message))
    if tracebacks and agent.traceback:
        console.print(Text(indent(f"\n{printable(agent.traceback, max_chars=MAX_TRACE_CHARS, keep=chr(10))}\n", "  ")))
    advice = agent.hint or advice or f"`voice-host check {agent.id}` shows more"
    console.print(Text(f"  next: {printable(advice, keep=chr(10))}"))
