"""The table of `voice-host top`: agents, their releases and workers, from what `GET /agents` lists."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text

from voice_host.observability.printable import printable

STYLES = {
    "ready": "green",
    "starting": "yellow",
    "retiring": "cyan",
    "waiting": "red",
    "broken": "bold red",
    "disabled": "dim",
}
"""Of the statuses of agents, releases and workers."""

MB = 1024 * 1024

Listed = Mapping[str, Any]
"""An agent, a release or a worker, as `GET /agents` lists it."""


class _Column(NamedTuple):
    title: str
    narrowest: int
    """The width of the terminal from which on the column is shown."""


COLUMNS = {
    "status": _Column("status", 0),
    "traffic": _Column("traffic", 92),
    "calls": _Column("calls", 0),
    "p50": _Column("audio p50", 60),
    "p95": _Column("audio p95", 60),
    "errors": _Column("errors", 50),
    "restarts": _Column("restarts", 100),
    "memory": _Column("memory", 70),
    "cpu": _Column("cpu", 80),
}
"""After the first one, which names the agent, release or worker."""


@dataclass(frozen=True, slots=True)
class Usage:
    """The CPU use of workers between two looks at them, by process id, in percent of a core."""

    percent: Mapping[int, float] = field(default_factory=dict)

    @classmethod
    def between(cls, before: Sequence[Listed], now: Sequence[Listed], seconds: float) -> Usage:
        """Return the use between two lists of agents."""
        earlier = {worker["pid"]: worker["cpu_s"] for worker in _processes(before)}
        return cls(
            {
                worker["pid"]: max(0.0, worker["cpu_s"] - earlier[worker["pid"]]) / seconds * 100
                for worker in _processes(now)
                if worker["pid"] in earlier and seconds > 0
            }
        )

    @classmethod
    def since_start(cls, agents: Sequence[Listed]) -> Usage:
        """Return the use since each worker began."""
        return cls({worker["pid"]: worker["cpu_s"] / max(1.0, worker["up_s"]) * 100 for worker in _processes(agents)})

    def of(self, workers: Iterable[Listed]) -> float | None:
        """Return the use of some workers together; None: it is not known."""
        known = [self.percent[worker["pid"]] for worker in workers if worker["pid"] in self.percent]
        return sum(known) if known else None


class _Row(NamedTuple):
    level: int
    """0: an agent, 1: a release, 2: a worker."""
    name: Text
    cells: Mapping[str, str | Text]


class TopTable:
    """The table, which fits the terminal whenever it is printed.

    It leaves out columns in a narrow terminal. In a low one it leaves out workers, then releases, then the agents with
    the fewest calls.

    Args:
        agents: what `GET /agents` lists.
        usage: the workers' CPU use.
        note: the last line.
        problem: why the figures are not up to date; None: they are.
    """

    def __init__(self, agents: Sequence[Listed], usage: Usage, note: str = "", problem: str | None = None) -> None:
        self._agents = agents
        self._usage = usage
        self._note = note
        self._problem = problem

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield _one_line(self._summary())
        if self._problem:
            yield _one_line(Text(printable(self._problem), "bold red"))
        yield Text()
        broken = [_reason(agent) for agent in self._agents if agent["status"] == "broken"]
        taken = 4 + bool(self._note) + bool(self._problem) + len(broken)
        rows = self._fitting(None if options.height is None else max(1, options.height - taken))
        yield self._table(rows, options.max_width)
        if hidden := len(self._agents) - sum(row.level == 0 for row in rows):
            yield Text(f"and {hidden} more {'agent' if hidden == 1 else 'agents'}", "dim")
        yield from broken
        if self._note:
            yield _one_line(Text(self._note, "dim"))

    def _summary(self) -> Text:
        workers = list(_all_workers(self._agents))
        broken = sum(agent["status"] == "broken" for agent in self._agents)
        ready = sum(agent["status"] == "ready" for agent in self._agents)
        parts = [
            Text("voice-host", "bold"),
            Text(_count(sum(agent.get("calls") or 0 for agent in self._agents), "call")),
            Text(f"{_count(ready, 'agent')} ready"),
        ]
        if broken:
            parts.append(Text(f"{broken} broken", STYLES["broken"]))
        if workers:
            parts += [Text(_count(len(workers), "worker")), Text(_memory(workers)), Text(f"CPU {self._cpu(workers)}")]
        return Text("   ").join(parts)

    def _fitting(self, lines: int | None) -> list[_Row]:
        rows = [row for agent in self._agents for row in self._rows(agent)]
        if lines is None:
            return rows
        for level in (2, 1, 0):
            if len(fitting := [row for row in rows if row.level <= level]) <= lines:
                return fitting
        busiest = sorted(self._agents, key=lambda agent: (agent["status"] != "broken", -(agent.get("calls") or 0)))
        return [next(self._rows(agent)) for agent in busiest[: max(1, lines - 1)]]

    def _table(self, rows: Sequence[_Row], width: int) -> Table:
        shown = [name for name, column in COLUMNS.items() if width >= column.narrowest]
        table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
        table.add_column("agent", overflow="ellipsis", no_wrap=True)
        for name in shown:
            table.add_column(COLUMNS[name].title, justify="left" if name == "status" else "right", no_wrap=True)
        for row in rows:
            table.add_row(row.name, *(row.cells.get(name, "") for name in shown), style="" if row.level < 2 else "dim")
        return table

    # --- rows -------------------------------------------------------------------------------------------------------

    def _rows(self, agent: Listed) -> Iterator[_Row]:
        releases: Sequence[Listed] = agent.get("releases") or ()
        workers = list(_all_workers([agent]))
        cells = {
            "status": _status(agent),
            "calls": _number(agent.get("calls")),
            **_recent(agent.get("recent")),
            "restarts": _number(sum(release["restarts"] for release in releases), "yellow") if releases else "",
            "memory": _memory(workers),
            "cpu": self._cpu(workers),
        }
        yield _Row(0, Text(printable(agent["id"]), "bold"), cells)
        for index, release in enumerate(releases):
            yield from self._release_rows(release, last=index == len(releases) - 1)

    def _release_rows(self, release: Listed, *, last: bool) -> Iterator[_Row]:
        workers: Sequence[Listed] = release["workers"]
        name = Text.assemble(("└─ " if last else "├─ ", "dim"), printable(release["name"]))
        if release["aliases"]:
            name.append("  " + ", ".join(map(printable, release["aliases"])), "cyan")
        cells = {
            "status": _status(release),
            "traffic": f"{release['traffic']} %" if release["traffic"] else "",
            "calls": _number(sum(worker["calls"] for worker in workers)),
            **_recent(release.get("recent")),
            "restarts": _number(release["restarts"], "yellow"),
            "memory": _memory(workers),
            "cpu": self._cpu(workers),
        }
        yield _Row(1, name, cells)
        for index, worker in enumerate(workers):
            yield self._worker_row(worker, "   " if last else "│  ", last=index == len(workers) - 1)

    def _worker_row(self, worker: Listed, indent: str, *, last: bool) -> _Row:
        alias = "" if worker["alias"] == "production" else f" {printable(worker['alias'])}"
        pid = "" if worker["pid"] is None else f"  pid {worker['pid']}"
        name = Text(f"{indent}{'└─' if last else '├─'} {worker['number']}{alias}{pid}")
        cells = {
            "status": _status(worker),
            "calls": _number(worker["calls"]),
            "memory": _memory([worker]),
            "cpu": self._cpu([worker]),
        }
        return _Row(2, name, cells)

    def _cpu(self, workers: Iterable[Listed]) -> str:
        used = self._usage.of(workers)
        return "" if used is None else f"{used:.0f} %"


def _all_workers(agents: Sequence[Listed]) -> Iterator[Listed]:
    for agent in agents:
        for release in agent.get("releases") or ():
            yield from release["workers"]


def _processes(agents: Sequence[Listed]) -> Iterator[Listed]:
    """The workers that run now."""
    return (worker for worker in _all_workers(agents) if worker["pid"] is not None)


def _reason(agent: Listed) -> Text:
    phase = f" was not {agent['phase']}:" if agent.get("phase") else ":"
    text = f"{agent['id']}{phase} {' '.join(str(agent.get('error', 'it is broken')).split())}"
    return _one_line(Text(printable(text), "red"))


def _one_line(text: Text) -> Text:
    text.no_wrap, text.overflow = True, "ellipsis"
    return text


def _status(of: Listed) -> Text:
    return Text(of["status"], STYLES.get(of["status"], ""))


def _recent(recent: Listed | None) -> dict[str, str | Text]:
    if recent is None:
        return {}
    return {
        "p50": _ms(recent["first_audio_p50_ms"]),
        "p95": _ms(recent["first_audio_p95_ms"]),
        "errors": _number(recent["errors"], "bold red"),
    }


def _ms(ms: float | None) -> str | Text:
    return Text("-", "dim") if ms is None else f"{ms:,.0f} ms"


def _number(number: int | None, style: str = "") -> str | Text:
    if number is None:
        return ""
    return Text(f"{number:,}", style if number else "dim")


def _memory(workers: Sequence[Listed]) -> str:
    used = sum(worker["memory_bytes"] for worker in workers)
    if not used:
        return ""
    return f"{used / MB / 1024:.1f} GB" if used >= 10_000 * MB else f"{used / MB:,.0f} MB"


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"
