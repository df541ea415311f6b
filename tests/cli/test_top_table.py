"""The table of `voice-host top`, in terminals of different sizes."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from voice_host.cli.top_table import TopTable, Usage

MB = 1024 * 1024


def worker(number: int, pid: int | None, status: str = "ready", **more: Any) -> dict[str, Any]:
    usual = {"alias": "production", "calls": 1, "parked": 0, "memory_bytes": 60 * MB, "cpu_s": 10.0, "up_s": 100.0}
    return {"number": number, "pid": pid, "status": status, **usual, **more}


def release(name: str, *workers: dict[str, Any], **more: Any) -> dict[str, Any]:
    usual = {"version": name, "traffic": 100, "aliases": [], "status": "ready", "restarts": 0, "own_environment": False}
    return {"name": name, "workers": list(workers), **usual, "recent": recent(), **more}


def recent(**more: Any) -> dict[str, Any]:
    return {"seconds": 300, "calls": 3, "errors": 0, "first_audio_p50_ms": 412.0, "first_audio_p95_ms": 1780.0} | more


DESK = {
    "id": "front-desk",
    "status": "ready",
    "calls": 2,
    "recent": recent(errors=2),
    "releases": [
        release("1.4.0", worker(1, 4021), worker(2, 4022), traffic=90, restarts=1),
        release("1.5.0", worker(1, None, "waiting", calls=0, memory_bytes=0), traffic=10, aliases=["staging"]),
    ],
}
NOBODY = recent(first_audio_p50_ms=None, first_audio_p95_ms=None)
SICK = {
    "id": "night-desk",
    "status": "broken",
    "phase": "imported",
    "error": "RuntimeError: \x1b[31mno\ndatabase",
    "calls": 0,
    "recent": NOBODY,
}


def shown(agents: list[dict[str, Any]], width: int = 120, height: int | None = None, usage: Usage | None = None) -> str:
    printed = io.StringIO()
    console = Console(file=printed, width=width, highlight=False)
    table = TopTable(agents, usage or Usage.since_start(agents), "the note")
    console.print(table, height=height)
    return printed.getvalue()


def test_agents_releases_and_workers_are_shown() -> None:
    lines = [" ".join(line.split()) for line in shown([DESK, SICK]).splitlines()]
    assert lines[0] == "voice-host 2 calls 1 agent ready 1 broken 3 workers 120 MB CPU 20 %"
    assert lines[3] == "front-desk ready 2 412 ms 1,780 ms 2 1 120 MB 20 %"
    assert lines[4] == "├─ 1.4.0 ready 90 % 2 412 ms 1,780 ms 0 1 120 MB 20 %"
    assert lines[5] == "│ ├─ 1 pid 4021 ready 1 60 MB 10 %"
    assert lines[7] == "└─ 1.5.0 staging ready 10 % 0 412 ms 1,780 ms 0 0"
    assert lines[8] == "└─ 1 waiting 0"
    assert lines[9] == "night-desk broken 0 - - 0"
    assert lines[10] == r"night-desk was not imported: RuntimeError: \x1b[31mno database"
    assert lines[11] == "the note"


@pytest.mark.parametrize("width", [20, 40, 60, 80, 100, 200])
@pytest.mark.parametrize("height", [5, 8, 12, 30])
def test_it_fits_any_terminal(width: int, height: int) -> None:
    agents = [{**DESK, "id": f"desk-{number}", "calls": number} for number in range(9)] + [SICK]
    lines = shown(agents, width, height).splitlines()
    assert len(lines) <= max(height, 7)
    assert all(len(line) <= width for line in lines)
    assert any("night-" in line for line in lines)


def test_a_low_terminal_shows_what_is_broken_and_the_busiest() -> None:
    agents = [{**DESK, "id": f"desk-{number}", "calls": number} for number in range(9)] + [SICK]
    names = [line.split()[0] for line in shown(agents, 120, 9).splitlines() if line.startswith(("desk", "night"))]
    assert names == ["night-desk", "desk-8", "night-desk"]  # at last the reason
    assert "and 8 more agents" in shown(agents, 120, 9)


def test_cpu_use_is_measured_between_two_looks() -> None:
    later = {**DESK, "releases": [release("1.4.0", worker(1, 4021, cpu_s=11.0), worker(3, 5000))]}
    usage = Usage.between([DESK], [later], 2.0)
    assert usage.percent == {4021: 50.0}
    assert "50 %" in shown([later], usage=usage)


def test_agents_in_one_process_have_no_releases() -> None:
    [row] = [line.split() for line in shown([{**DESK, "releases": None}]).splitlines() if "front-desk" in line]
    assert row == ["front-desk", "ready", "2", "412", "ms", "1,780", "ms", "2"]


def test_a_key_without_the_scope_sees_agents_alone() -> None:
    assert "front-desk  ready" in shown([{"id": "front-desk", "status": "ready"}])
