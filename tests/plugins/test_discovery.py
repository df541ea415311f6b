"""What metadata alone tells: no agent is imported here."""

import pickle
import re
import sys

import pytest

from tests.plugins.finding import broken, find
from tests.sample_plugins import PluginFolder
from voice_host.plugins import BrokenAgent, DiscoveredAgent, Phase, absent_agents, discover_agents, sdk_mismatch
from voice_host.settings import load_settings

CRASH = "raise RuntimeError('imported')"


def test_an_agent_is_described_without_being_imported(plugins: PluginFolder) -> None:
    module = plugins.install("hello", CRASH, distribution="hello-agent")
    assert find("hello") == DiscoveredAgent("hello", "hello-agent", "1.2.3", module, "<2,>=1")
    assert module not in sys.modules


def test_what_is_discovered_can_be_sent_as_data(plugins: PluginFolder) -> None:
    plugins.install("hello", CRASH)
    outcomes = [find("hello"), broken("hello")]
    assert pickle.loads(pickle.dumps(outcomes)) == outcomes


@pytest.mark.parametrize("agent_id", ["Front_Desk", "-x", "a" * 64, "café"])
def test_an_invalid_id_is_refused(plugins: PluginFolder, agent_id: str) -> None:
    plugins.install(agent_id)
    outcome = find(agent_id)
    assert isinstance(outcome, BrokenAgent)
    assert outcome.phase is Phase.DISCOVERED
    assert "is not an agent id" in outcome.error


def test_an_invalid_id_gets_a_valid_one_suggested(plugins: PluginFolder) -> None:
    plugins.install("Front_Desk")
    outcome = broken("Front_Desk")
    assert outcome.hint == "rename the entry point, for example to 'front-desk'"


def test_duplicate_ids_refuse_both_and_name_both(plugins: PluginFolder) -> None:
    plugins.install("twice", distribution="customer-one")
    plugins.install("twice", distribution="customer-two")
    plugins.install("once")
    both = [outcome for outcome in discover_agents() if outcome.id == "twice"]
    assert len(both) == 2
    for outcome in both:
        assert isinstance(outcome, BrokenAgent)
        assert outcome.error == "the id 'twice' is taken more than once: by customer-one and customer-two"
    assert isinstance(find("once"), DiscoveredAgent)


def test_two_distributions_with_the_same_package_are_refused(plugins: PluginFolder) -> None:
    module = plugins.install("one", distribution="customer-one")
    plugins.install("two", distribution="customer-two", module=module)
    assert "customer-one and customer-two both contain" in broken("one").error
    assert "customer-one and customer-two both contain" in broken("two").error


def test_ids_that_variables_cannot_tell_apart_are_refused(plugins: PluginFolder) -> None:
    plugins.install("sales")
    plugins.install("sales--eu")
    assert "cannot tell the ids 'sales' and 'sales--eu' apart" in broken("sales").error
    assert "cannot tell the ids 'sales' and 'sales--eu' apart" in broken("sales--eu").error


def test_damaged_metadata_hides_no_other_agent(plugins: PluginFolder, caplog: pytest.LogCaptureFixture) -> None:
    plugins.install("hello")
    damaged = plugins.path / "damaged-1.dist-info"
    damaged.mkdir()
    (damaged / "entry_points.txt").write_text("[voice_host.agents]\ndamaged = damaged\n", encoding="utf-8")
    assert isinstance(find("hello"), DiscoveredAgent)
    assert "damaged" not in {outcome.id for outcome in discover_agents()}
    assert "unreadable metadata" in caplog.text


@pytest.mark.parametrize(
    ("requirement", "hint"),
    [("voice-host-sdk>=9,<10", "upgrade voice-host"), ("Voice_Host.SDK<1", "install a version of .* made for")],
)
def test_another_sdk_is_refused_before_the_import(plugins: PluginFolder, requirement: str, hint: str) -> None:
    module = plugins.install("hello", CRASH, requires=(requirement,))
    outcome = broken("hello")
    assert outcome.phase is Phase.COMPATIBLE
    assert "voice-host-sdk" in outcome.error
    assert outcome.hint is not None
    assert re.search(hint, outcome.hint)
    assert module not in sys.modules


def test_a_requirement_for_another_environment_does_not_count(plugins: PluginFolder) -> None:
    plugins.install("hello", requires=("voice-host-sdk>=1", "voice-host-sdk>=9; python_version < '3'"))
    found = find("hello")
    assert isinstance(found, DiscoveredAgent)
    assert found.sdk_requirement == ">=1"
    assert sdk_mismatch(found) is None


@pytest.mark.usefixtures("plugins")
def test_agents_that_the_settings_name_and_nobody_installed() -> None:
    environ = {"VOICE_HOST_AGENTS__REQUIRED": "front-dsk", "VOICE_HOST_AGENT__SALES__MODEL": "m"}
    settings = load_settings(environ=environ)
    required, named = absent_agents(settings, {"front-desk", "sale"})
    assert (required.id, required.required, required.suggestion) == ("front-dsk", True, "front-desk")
    assert (named.id, named.required, named.where) == ("sales", False, "VOICE_HOST_AGENT__SALES__MODEL")
