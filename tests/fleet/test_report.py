"""What is known of agents is plain data: the same after a trip through JSON, in every process."""

from __future__ import annotations

import json

import pytest
from pydantic import TypeAdapter, ValidationError

from voice_host.fleet.report import AgentReport, Providers, report_of
from voice_host.fleet.service import FleetReport
from voice_host.front.routes import listed
from voice_host.plugins import (
    BrokenAgent,
    BrokenExtension,
    DisabledAgent,
    DiscoveredAgent,
    LoadedAgent,
    LoadedExtension,
    Phase,
)
from voice_host.plugins.phases import DiscoveredExtension
from voice_host.settings import Settings
from voice_host_sdk import AgentConfig, LifecycleCallbacks

FOUND = DiscoveredAgent("desk", "acme-desk", "1.2", "acme.desk:agent", ">=1,<2")
CONFIG = AgentConfig(title="Desk", description="Answers.", examples=["Are you open?"])
EXTENSION = DiscoveredExtension("beeps", "acme-beeps", "2", "beeps", None)
BROKEN = BrokenAgent(FOUND, Phase.IMPORTED, "no database", "start it", "acme/desk.py:3", 12.5, "Traceback ...")

OUTCOMES = [
    FOUND,
    BROKEN,
    DisabledAgent(FOUND, Phase.ALLOWED, "it is switched off"),
    LoadedAgent(FOUND, CONFIG, LifecycleCallbacks(), import_ms=3.5, warnings=("slow",)),
    EXTENSION,
    BrokenExtension(EXTENSION, Phase.CONFIGURED, "no hook"),
    LoadedExtension(EXTENSION, import_ms=1.5),
]


@pytest.mark.parametrize("outcome", OUTCOMES, ids=lambda outcome: type(outcome).__name__)
def test_a_report_survives_json(outcome: BrokenAgent) -> None:
    report = report_of(outcome, Settings())
    assert AgentReport.model_validate_json(report.model_dump_json()) == report


def test_a_report_of_another_version_is_not_read() -> None:
    with pytest.raises(ValidationError, match="report_version"):
        AgentReport.model_validate({"report_version": 2, "id": "desk", "status": "ready"})


def test_all_agents_together_survive_json() -> None:
    providers = Providers(stt="a", tts="b", model="c")
    agents = {"desk": report_of(OUTCOMES[3], Settings(), status="ready", providers=providers)}
    report = FleetReport("ready", agents)
    plain = TypeAdapter(FleetReport)
    assert plain.validate_json(plain.dump_json(report)) == report
    assert (report.ready, report.broken) == (1, 0)


def test_a_report_is_not_changed() -> None:
    report = report_of(FOUND, Settings())
    with pytest.raises(ValidationError, match="frozen"):
        report.status = "ready"


def test_what_the_list_shows_of_an_agent() -> None:
    shown = listed(report_of(BROKEN, Settings()))
    assert shown == {
        "id": "desk",
        "title": "desk",
        "description": "",
        "status": "broken",
        "distribution": "acme-desk",
        "version": "1.2",
        "phase": "imported",
        "error": "no database",
        "hint": "start it",
        "where": "acme/desk.py:3",
    }
    assert "traceback" in listed(report_of(BROKEN, Settings()), tracebacks=True)
    assert listed(report_of(BROKEN, Settings()), errors=False).keys().isdisjoint({"phase", "error", "hint", "where"})
    assert json.dumps(shown)


def test_the_settings_of_an_agent_are_in_its_report() -> None:
    settings = Settings.model_validate(
        {"agents": {"allow": ["other"], "required": ["desk"]}, "agent": {"desk": {"enabled": False}}}
    )
    report = report_of(FOUND, settings)
    assert (report.allowed, report.enabled, report.required) == (False, False, True)
