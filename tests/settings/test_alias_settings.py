"""`[agent.<id>.alias.<name>]`: the settings of releases that are called by an alias."""

from pathlib import Path

import pytest

from tests.settings.conftest import Load
from voice_host.settings import MissingSetting, SettingsError, known_secrets, list_settings, plugin_table
from voice_host.settings.transfer import received_settings, settings_to_send

STAGING = "VOICE_HOST_AGENT__NIGHT_DESK__ALIAS__STAGING__SETTINGS__"
TEXT = """
[agent.night-desk]
model = "m"
[agent.night-desk.settings]
crm_token = "of-production"
region = "eu"
[agent.night-desk.alias.staging.settings]
crm_token = { env = "STAGING_TOKEN" }
"""


def test_an_alias_has_its_own_settings_and_nothing_of_productions(load: Load) -> None:
    agent = load(TEXT, STAGING_TOKEN="of-staging").for_agent("night-desk")
    assert dict(agent.under("production").settings) == {"crm_token": "of-production", "region": "eu"}
    assert dict(agent.under("staging").settings) == {"crm_token": "of-staging"}
    assert agent.under("staging").model == "m"


def test_an_alias_without_a_table_has_no_settings(load: Load) -> None:
    agent = load(TEXT, STAGING_TOKEN="of-staging").for_agent("night-desk")
    assert dict(agent.under("canary").settings) == {}
    assert dict(agent.under("canary").alias) == {}


def test_the_settings_under_an_alias_do_not_carry_those_of_other_aliases(load: Load) -> None:
    agent = load(TEXT, STAGING_TOKEN="of-staging").for_agent("night-desk")
    assert dict(agent.under("production").alias) == {}


def test_variables_reach_the_settings_of_an_alias(load: Load) -> None:
    environ = {f"{STAGING}CRM_TOKEN": "from-variable", f"{STAGING}CRM__REGION": "us", "STAGING_TOKEN": "x"}
    settings = load(TEXT, **environ)
    assert settings.for_agent("night-desk").under("staging").settings["crm_token"] == "from-variable"
    assert settings.for_agent("night-desk").under("staging").settings["crm"]["region"] == "us"
    assert settings.for_agent("night-desk").settings["crm_token"] == "of-production"


def test_an_alias_gets_the_variables_that_are_named_for_it_alone(load: Load) -> None:
    text = f"{TEXT}[agent.night-desk.alias.canary]\npass_env = ['OF_CANARY']\n"
    environ = {"STAGING_TOKEN": "x", "VOICE_HOST_AGENT__NIGHT_DESK__PASS_ENV": "CRM_*"}
    environ["VOICE_HOST_AGENT__NIGHT_DESK__ALIAS__STAGING__PASS_ENV"] = "OF_STAGING"
    agent = load(text, **environ).for_agent("night-desk")
    found = {alias: agent.under(alias).pass_env for alias in ("production", "staging", "canary", "other")}
    assert found == {"production": ("CRM_*",), "staging": ("OF_STAGING",), "canary": ("OF_CANARY",), "other": ()}


def test_a_hyphen_of_an_alias_is_an_underscore_in_variables(load: Load) -> None:
    environ = {"VOICE_HOST_AGENT__A__ALIAS__EU_WEST__SETTINGS__X": "1"}
    assert dict(load(**environ).for_agent("a").under("eu-west").settings) == {"x": "1"}


def test_secrets_of_an_alias_are_known_and_not_shown(load: Load, tmp_path: Path) -> None:
    settings = load(TEXT, STAGING_TOKEN="of-staging")
    assert "of-staging" in known_secrets(settings)
    [entry] = [
        each for each in list_settings(settings) if each.key.startswith("agent.night-desk.alias.staging.settings")
    ]
    assert entry.key == "agent.night-desk.alias.staging.settings.crm_token"
    assert entry.value == "********"
    assert str(entry.came_from) == "file voice-host.toml (env STAGING_TOKEN)"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[agent.a.alias.production.settings]\nx = 1", "the settings of production are [agent.<id>.settings]"),
        ("[agent.a.alias.staging]\nx = 1", "there is no such key"),
        ("[agent.a.alias.1.settings]\nx = 1", "'1' is not an alias"),
        ("[agent.a.alias.a--b.settings]\nx = 1", "'a--b' is not an alias"),
    ],
)
def test_mistakes_are_named(load: Load, text: str, message: str) -> None:
    with pytest.raises(SettingsError) as raised:
        load(text)
    assert message in str(raised.value)


@pytest.mark.parametrize("end", ["ALIAS", "ALIAS__STAGING", "ALIAS__STAGING__SETTINGS", "ALIAS__STAGING__X"])
def test_a_variable_that_names_no_key_of_an_alias_is_refused(load: Load, end: str) -> None:
    with pytest.raises(SettingsError, match="there is no such variable"):
        load(**{f"VOICE_HOST_AGENT__A__{end}": "1"})


def test_a_worker_gets_the_settings_of_its_alias_with_their_sources_and_no_others(load: Load) -> None:
    settings = load(TEXT, STAGING_TOKEN="of-staging")
    staging, production = settings.under("night-desk", "staging"), settings.under("night-desk", "production")
    for under, own, other in ((staging, "of-staging", "of-production"), (production, "of-production", "of-staging")):
        received = received_settings(settings_to_send(under, "night-desk"), {})
        assert known_secrets(received) == {own}
        assert other not in str(settings_to_send(under, "night-desk"))
        assert received.came_from(*received.table_of("night-desk"), "crm_token").kind == "file"
    assert staging.table_of("night-desk") == ("agent", "night-desk", "alias", "staging", "settings")
    assert production.table_of("night-desk") == ("agent", "night-desk", "settings")


def test_what_an_alias_lacks_is_missing_in_its_own_table(load: Load) -> None:
    settings = load(TEXT, STAGING_TOKEN="of-staging").under("night-desk", "staging")
    table = plugin_table(settings.table_of("night-desk"), settings.for_agent("night-desk").settings)
    with pytest.raises(MissingSetting) as missing:
        table["region"]
    assert str(missing.value) == "[agent.night-desk.alias.staging.settings] has no key 'region'"
    assert f"{STAGING}REGION" in missing.value.hint
