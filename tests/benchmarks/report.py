"""The results as Markdown tables."""

from __future__ import annotations

from tests.benchmarks.aims import Aim, aims
from tests.benchmarks.numbers import Summary
from tests.benchmarks.results import FLOOR, HOST, Results, capacity_point, machine, measures, troubles


def markdown(results: Results) -> str:
    """Return the report: what was aimed at, then all numbers: median, p95 in brackets, the least and the most."""
    lines = [" | ".join(f"{name} {value}" for name, value in machine().items()), "", *_aims(results), ""]
    lines += ["| | unit | floor: median (p95) min-max | host: median (p95) min-max | host / floor |"]
    lines += ["| --- | --- | --- | --- | --- |"]
    for measure in measures(results):
        cells = [measure.name, measure.unit, *(_cell(measure.by_subject.get(subject)) for subject in (FLOOR, HOST))]
        lines.append(f"| {' | '.join(cells)} | {_number(measure.ratio(HOST, FLOOR))} |")
    if any(result.capacity for result in results.by_subject.values()):
        lines += ["", *_capacity(results)]
    for subject, result in results.by_subject.items():
        found = troubles(result)
        if found["lost"] or found["errors"]:
            lines += ["", f"{subject}: {found['lost']} turns without an answer, errors {sorted(set(found['errors']))}"]
    if results.cut_short:
        lines += ["", "The run ended before everything was measured."]
    return "\n".join(lines) + "\n"


def _aims(results: Results) -> list[str]:
    lines = ["| | aim | now | floor | ratio | reached |", "| --- | --- | --- | --- | --- | --- |"]
    for aim in aims(results):
        if aim.host is not None:
            reached = "" if aim.reached is None else "yes" if aim.reached else "**no**"
            name = f"{aim.name}, {aim.unit}" if aim.unit else aim.name
            cells = [name, _wanted(aim), _number(aim.host), _number(aim.floor), _number(aim.ratio), reached]
            lines.append(f"| {' | '.join(cells)} |")
    return lines


def _wanted(aim: Aim) -> str:
    if aim.limit is None:
        return ""
    sign = ">=" if aim.at_least else "<="
    limit = f"{aim.limit:g}"
    return {"value": f"{sign} {limit}", "ratio": f"{sign} {limit} x", "above": f"{sign} floor + {limit}"}[aim.by]


def _capacity(results: Results) -> list[str]:
    lines = [
        "| calls | subject | turns | own median, ms | own p95, ms | underruns, % | lost | cores used "
        "| core taken by others, % | busiest of callers' and services' cores, % |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for subject, result in results.by_subject.items():
        for talk in result.capacity:
            p = capacity_point(talk)
            lines.append(
                f"| {talk.calls} | {subject} | {p['turns']} | {p['own_median_ms']:.1f} | {p['own_p95_ms']:.1f} "
                f"| {p['underruns'] * 100:.2f} | {p['lost']} | {p['subject_cpu']:.2f} | {p['crowded'] * 100:.0f} "
                f"| {p['others_cpu'] * 100:.0f} |"
            )
    return lines


def _cell(summary: Summary | None) -> str:
    if summary is None:
        return ""
    if summary.count == 1:
        return _number(summary.median)
    spread = f"{_number(summary.minimum)}-{_number(summary.maximum)}"
    return f"{_number(summary.median)} ({_number(summary.p95)}) {spread}, n={summary.count}"


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.0f}" if value >= 100 or value == int(value) else f"{value:.2g}" if value < 1 else f"{value:.1f}"
