"""Samples and what is said of them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Summary:
    """The spread of some samples, in their own unit."""

    count: int
    minimum: float
    median: float
    p95: float
    maximum: float


def summarise(samples: Iterable[float]) -> Summary | None:
    """Return the spread; None without samples."""
    ordered = sorted(samples)
    if not ordered:
        return None
    return Summary(len(ordered), ordered[0], quantile(ordered, 0.5), quantile(ordered, 0.95), ordered[-1])


def quantile(ordered: Sequence[float], share: float) -> float:
    """Return the sample below which a share of them lies, interpolated; `ordered` is sorted and not empty."""
    position = share * (len(ordered) - 1)
    below = math.floor(position)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (position - below)
