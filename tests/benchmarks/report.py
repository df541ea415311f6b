"""The results as a Markdown table."""

from __future__ import annotations

from tests.benchmarks.numbers import Summary
from tests.benchmarks.results import SubjectResults, capacity_point, machine, measures, troubles

FLOOR, HOST = "floor", "host"


def markdown(results: dict[str, SubjectResults]) -> str:
    """Return the report's tables: median, p95 in brackets, and the spread from the least to the most."""
    lines = [" | ".join(f"{name} {value}" for name, value in machine().items()), ""]
    lines += ["| | unit | floor: median (p95) min-max | host: median (p95) min-max | host / floor | aim |"]
    lines += ["| --- | --- | --- | --- | --- | --- |"]
    for measure in measures(results):
        ratio = measure.ratio(HOST, FLOOR)
        cells = [_cell(measure.by_subject.get(FLOOR)), _cell(measure.by_subject.get(HOST))]
        factor = f"{ratio:.2f}" if ratio is not None else ""
        lines.append(f"| {measure.name} | {measure.unit} | {cells[0]} | {cells[1]} | {factor} | {measure.aim} |")
    if any(result.capacity for result in results.values()):
        lines += ["", *_capacity(results)]
    for subject, result in results.items():
        found = troubles(result)
        if found["lost"] or found["errors"]:
            lines += ["", f"{subject}: {found['lost']} turns without an answer, errors {sorted(set(found['errors']))}"]
    return "\n".join(lines) + "\n"


def _capacity(results: dict[str, SubjectResults]) -> list[str]:
    lines = [
        "| calls | subject | own median, ms | own p95, ms | underruns, % | cores used | core taken by others, % "
        "| callers' and services' cores, % |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for subject, result in results.items():
        for talk in result.capacity:
            p = capacity_point(talk)
            lines.append(
                f"| {talk.calls} | {subject} | {p['own_median_ms']:.1f} | {p['own_p95_ms']:.1f} "
                f"| {p['underruns'] * 100:.2f} | {p['subject_cpu']:.2f} | {p['crowded'] * 100:.0f} "
                f"| {p['others_cpu'] * 100:.0f} |"
            )
    return lines


def _cell(summary: Summary | None) -> str:
    if summary is None:
        return ""
    if summary.count == 1:
        return _short(summary.median)
    spread = f"{_short(summary.minimum)}-{_short(summary.maximum)}"
    return f"{_short(summary.median)} ({_short(summary.p95)}) {spread}, n={summary.count}"


def _short(value: float) -> str:
    return f"{value:.0f}" if value >= 100 or value == int(value) else f"{value:.2g}" if value < 1 else f"{value:.1f}"
