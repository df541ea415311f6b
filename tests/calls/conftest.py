"""What whole calls share."""

from __future__ import annotations

import pytest

from voice_host.testing.ears import ScriptedEars


@pytest.fixture(params=[True, False], ids=["hears the end of speech", "does not"])
def hears_end(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Both kinds of recogniser: with and without reports of the end of speech."""
    monkeypatch.setattr(ScriptedEars, "reports_speech_end", request.param)
    return bool(request.param)
