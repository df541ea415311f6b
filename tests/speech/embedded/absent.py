"""A machine on which the engines of embedded speech are not installed."""

from __future__ import annotations

import pytest

from voice_host.speech.embedded import requirements


def without_engines(monkeypatch: pytest.MonkeyPatch, *modules: str) -> None:
    """Let `modules` be not installed; default: what has no wheels everywhere."""
    missing = modules or ("hibari", "moonshine_voice", "onnxruntime")
    find_spec = requirements.find_spec
    monkeypatch.setattr(requirements, "find_spec", lambda name: None if name in missing else find_spec(name))
