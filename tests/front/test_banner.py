"""The start-up output says on the screen what the demo model leaves out of the ear."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from voice_host.fleet.report import AgentReport, Providers
from voice_host.fleet.service import FleetReport
from voice_host.front.banner import print_banner


@pytest.mark.parametrize(("model", "told"), [("demo", True), ("openai:gpt-4.1-mini", False)])
def test_how_to_get_a_language_model_is_told_where_the_demo_model_answers(model: str, told: bool) -> None:
    providers = Providers(stt="assemblyai", tts="orpheus", model=model)
    agent = AgentReport(id="desk", status="ready", providers=providers, distribution="d", version="1")
    printed = io.StringIO()
    print_banner(FleetReport("ready", {"desk": agent}), "http://localhost:8000", Console(file=printed, width=200))
    assert ("No language model is configured for desk" in printed.getvalue()) is told
    assert ("VOICE_HOST_MODEL" in printed.getvalue()) is told
