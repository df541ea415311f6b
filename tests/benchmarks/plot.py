"""The results as a drawing: the spread of the host's own time, and what happens to it as calls are added."""

from __future__ import annotations

import math
from collections.abc import Callable
from html import escape

from tests.benchmarks.results import Measure, Results, SubjectResults, capacity_point, measures
from tests.benchmarks.stages import OWN_LIMIT_MS

COLOURS = {"floor": "#8a8f98", "host": "#2f6fde"}
_LEFT, _WIDTH, _RIGHT, _ROW = 260, 520, 30, 22
_INK, _FAINT = "#2b2f36", "#d9dce1"

Scale = Callable[[float], float]


def svg(run: Results) -> str:
    """Return an SVG document."""
    results = run.by_subject
    spreads = [m for m in measures(run) if m.unit == "ms" and m.name.startswith("own")]
    parts, bottom = _spreads(spreads, list(results), 56)
    if any(result.capacity for result in results.values()):
        curve, bottom = _capacity(results, bottom + 70)
        parts += curve
    legend = [
        _text(_LEFT + 90 * index + 16, 26, subject) + f'<rect x="{_LEFT + 90 * index}" y="17" width="11" height="11" '
        f'fill="{COLOURS[subject]}"/>'
        for index, subject in enumerate(results)
    ]
    width, height = _LEFT + _WIDTH + _RIGHT, bottom + 30
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height:.0f}" width="{width}" '
        f'font-family="system-ui, sans-serif" font-size="12" fill="{_INK}">'
        f'<rect width="100%" height="100%" fill="#fff"/>{"".join(legend)}{"".join(parts)}</svg>\n'
    )


def _spreads(rows: list[Measure], subjects: list[str], top: float) -> tuple[list[str], float]:
    """One row for each measure and subject: a line from the least to the most, a box to p95, a mark at the median."""
    largest = max((s.maximum for row in rows for s in row.by_subject.values() if s), default=100.0)
    x = _log_scale(10, max(100.0, largest))
    y = top
    parts = [_text(_LEFT, y - 8, "own time, ms: least to most, median to p95 as a bar (logarithmic)", "start")]
    body: list[str] = []
    for row in rows:
        body.append(_text(_LEFT - 10, y + _ROW * len(subjects) / 2 + 4, row.name, "end"))
        for subject in subjects:
            if (s := row.by_subject.get(subject)) is not None:
                middle, colour = y + _ROW / 2, COLOURS[subject]
                body.append(_line(x(s.minimum), middle, x(s.maximum), middle, colour))
                body.append(
                    f'<rect x="{x(s.median):.1f}" y="{middle - 5:.1f}" width="{max(2, x(s.p95) - x(s.median)):.1f}" '
                    f'height="10" fill="{colour}"/>'
                )
                body.append(_text(x(s.maximum) + 6, middle + 4, f"{s.median:.0f} / {s.p95:.0f}"))
            y += _ROW
        y += 8
    parts += _grid(x, [10, 20, 50, 100, 200, 500, 1000, 2000, 5000], top, y, largest)
    return parts + body, y + 14


def _capacity(results: dict[str, SubjectResults], top: float) -> tuple[list[str], float]:
    """p95 of the own time over the number of calls, and the limit."""
    height = 220.0
    points = {s: [capacity_point(talk) for talk in r.capacity if talk.turns] for s, r in results.items()}
    most = max(point["calls"] for series in points.values() for point in series)
    worst = max(point["own_p95_ms"] for series in points.values() for point in series)

    def x(calls: float) -> float:
        return _LEFT + _WIDTH * calls / most

    up = _log_scale(10, max(200.0, worst), length=height)

    def y(ms: float) -> float:
        return top + height - (up(ms) - _LEFT)

    parts = [_text(_LEFT, top - 12, "p95 of own time, ms, by calls on one core (logarithmic)")]
    for ms in (10, 20, 50, 100, 200, 500, 1000, 2000, 5000):
        if ms <= max(200.0, worst):
            limit = ms == OWN_LIMIT_MS
            parts.append(_line(_LEFT, y(ms), _LEFT + _WIDTH, y(ms), "#c0392b" if limit else _FAINT))
            parts.append(_text(_LEFT - 10, y(ms) + 4, f"{ms}{' (limit)' if limit else ''}", "end"))
    for subject, series in points.items():
        path = " ".join(f"{x(p['calls']):.1f},{y(max(10, p['own_p95_ms'])):.1f}" for p in series)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{COLOURS[subject]}" stroke-width="2"/>')
        for p in series:
            centre = f'cx="{x(p["calls"]):.1f}" cy="{y(max(10, p["own_p95_ms"])):.1f}"'
            parts.append(f'<circle {centre} r="3.5" fill="{COLOURS[subject]}"/>')
    counts = sorted({int(p["calls"]) for series in points.values() for p in series})
    parts += [_text(x(calls), top + height + 18, str(calls), "middle") for calls in counts]
    return parts, top + height + 24


def _log_scale(least: float, most: float, length: float = _WIDTH - 60) -> Scale:
    span = math.log(most / least)
    return lambda value: _LEFT + length * math.log(max(value, least) / least) / span


def _grid(x: Scale, ticks: list[float], top: float, bottom: float, largest: float) -> list[str]:
    shown = [tick for tick in ticks if tick <= max(100.0, largest)]
    lines = [_line(x(tick), top, x(tick), bottom, _FAINT) for tick in shown]
    return lines + [_text(x(tick), bottom + 14, f"{tick:.0f}", "middle") for tick in shown]


def _line(x1: float, y1: float, x2: float, y2: float, colour: str) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}"/>'


def _text(x: float, y: float, words: str, anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(words)}</text>'
