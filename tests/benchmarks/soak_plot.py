"""The soak as a drawing: memory, descriptors and tasks of the host over the calls it has had."""

from __future__ import annotations

_LEFT, _TOP, _WIDTH, _HEIGHT, _GAP = 90, 40, 560, 110, 46
_INK, _FAINT, _LINE = "#2b2f36", "#d9dce1", "#2f6fde"

Point = tuple[int, float, float, float]
"""Calls so far; memory in MB, descriptors, tasks."""


def svg(points: list[Point]) -> str:
    """Return an SVG document with one panel for each figure, its scale beginning at zero."""
    panels = []
    for index, title in enumerate(("memory of the host, MB", "file descriptors", "tasks"), start=1):
        top = _TOP + (index - 1) * (_HEIGHT + _GAP)
        panels.append(_panel(title, [(point[0], float(point[index])) for point in points], top))
    width, height = _LEFT + _WIDTH + 40, _TOP + 3 * (_HEIGHT + _GAP)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
        f'font-family="system-ui, sans-serif" font-size="12" fill="{_INK}">'
        f'<rect width="100%" height="100%" fill="#fff"/>{"".join(panels)}</svg>\n'
    )


def _panel(title: str, series: list[tuple[int, float]], top: float) -> str:
    most_calls = max(calls for calls, _ in series)
    most = 1.25 * max(value for _, value in series)
    bottom = top + _HEIGHT

    def x(calls: float) -> float:
        return _LEFT + _WIDTH * calls / most_calls

    def y(value: float) -> float:
        return bottom - _HEIGHT * value / most

    path = " ".join(f"{x(calls):.1f},{y(value):.1f}" for calls, value in series)
    last_calls, last = series[-1]
    return (
        f'<text x="{_LEFT}" y="{top - 8:.0f}">{title}</text>'
        f'<line x1="{_LEFT}" y1="{bottom}" x2="{_LEFT + _WIDTH}" y2="{bottom}" stroke="{_FAINT}"/>'
        f'<line x1="{_LEFT}" y1="{top}" x2="{_LEFT}" y2="{bottom}" stroke="{_FAINT}"/>'
        f'<text x="{_LEFT - 8}" y="{bottom + 4}" text-anchor="end">0</text>'
        f'<text x="{_LEFT - 8}" y="{y(last) + 4:.1f}" text-anchor="end">{last:.0f}</text>'
        f'<polyline points="{path}" fill="none" stroke="{_LINE}" stroke-width="2"/>'
        f'<text x="{x(last_calls):.1f}" y="{bottom + 16}" text-anchor="end">{last_calls} calls</text>'
    )
