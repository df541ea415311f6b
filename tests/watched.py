"""What is counted and logged in a test."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from prometheus_client import REGISTRY


class Watched:
    """The log, and how often something was counted since this was made.

    Args:
        metric: without `voice_host_` and `_total`.
        labels: all of its labels.
    """

    def __init__(self, caplog: pytest.LogCaptureFixture, metric: str, **labels: str) -> None:
        caplog.set_level(logging.INFO)
        self._caplog = caplog
        self._metric, self._labels = f"voice_host_{metric}_total", labels
        self._lines_before = len(caplog.records)
        self._before = self._value

    @property
    def _value(self) -> float:
        return REGISTRY.get_sample_value(self._metric, self._labels) or 0.0

    @property
    def count(self) -> float:
        """How often it was counted."""
        return self._value - self._before

    def lines(self, event: str, **fields: Any) -> list[dict[str, Any]]:
        """Return the lines of the log since then that have these fields."""
        lines = [vars(record) for record in self._caplog.records[self._lines_before :] if record.message == event]
        return [line for line in lines if all(line.get(name) == wanted for name, wanted in fields.items())]

    def logged(self, event: str, **fields: Any) -> int:
        """Return how many lines those are."""
        return len(self.lines(event, **fields))
