"""The fixtures of the test kit, and which agent they call."""

import pytest

pytest_plugins = ["voice_host.testing.fixtures"]


@pytest.fixture
def voice_agent() -> str:
    """The id of the entry point in pyproject.toml."""
    return "front-desk"
