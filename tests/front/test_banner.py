"""The start-up output says on the screen what the demo model leaves out of the ear."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from voice_host.fleet.report import AgentReport, Providers, ReleaseReport, WorkerReport
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


def test_workers_and_releases_are_shown_where_there_are_some() -> None:
    providers = Providers(stt="assemblyai", tts="orpheus", model="gpt")
    workers = (WorkerReport(number=1, status="ready"), WorkerReport(number=2, status="ready"))
    new = ReleaseReport(name="1.5", version="1.5", traffic=10, aliases=("staging",), status="ready", workers=workers)
    old = ReleaseReport(name="1.4", version="1.4", traffic=90, status="ready", workers=workers[:1])
    told = {}
    for releases in ((), (old,), (old, new)):
        agent = AgentReport(
            id="desk", status="ready", providers=providers, distribution="d", version="1", releases=releases
        )
        printed = io.StringIO()
        print_banner(FleetReport("ready", {"desk": agent}), "http://localhost:8000", Console(file=printed, width=200))
        told[len(releases)] = printed.getvalue().splitlines()[2:4]
    assert "workers" not in told[0][0]
    assert (told[1][0].split()[-1], told[1][1].split()[-1]) == ("workers", "1")
    assert told[2][1].rstrip().endswith("3        1.4 90 %, 1.5 10 % @staging")
