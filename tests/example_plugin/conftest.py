"""Fixtures for the tests of the example plugin."""

from __future__ import annotations

import pytest

from tests.example_plugin.sessions import RecordingSession


@pytest.fixture
def session() -> RecordingSession:
    return RecordingSession()
