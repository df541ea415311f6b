"""`[agent.<id>]`: one agent's table, its variables, its secrets."""

from pathlib import Path
from typing import Any

import pytest

from tests.settings.conftest import Load
from voice_host.settings import SettingsError, colliding_ids, list_settings, variable_name

AGENT = "VOICE_HOST_AGENT__FRONT_DESK__"


def test_an_agent_sees_its_own_table_and_no_other(load: Load) -> None:
    settings = load("[agent.front-desk]\nmodel = 'a'\nsettings.greeting = 'Hi'\n[agent.sales.settings]\nx = 1")
    assert settings.for_agent("front-desk").model == "a"
    assert dict(settings.for_agent("front-desk").settings) == {"greeting": "Hi"}
    assert dict(settings.for_agent("not-named").settings) == {}


def test_tables_that_look_like_references_on_the_way_stay_tables(load: Load) -> None:
    environ = {f"{AGENT}SETTINGS__CRM__ENV": "test", f"{AGENT}SETTINGS__CRM__REGION": "eu"}
    assert dict(load(**environ).for_agent("front-desk").settings["crm"]) == {"env": "test", "region": "eu"}
    text = "[agent.front-desk.settings.crm]\nenv = 'test'\nregion = 'eu'"
    assert dict(load(text).for_agent("front-desk").settings["crm"]) == {"env": "test", "region": "eu"}


def test_settings_are_read_only_all_the_way_down(load: Load) -> None:
    table: Any = load("[agent.a.settings]\ndeep = { list = [{ x = 1 }] }").for_agent("a").settings
    with pytest.raises(TypeError):
        table["new"] = 1
    with pytest.raises(TypeError):
        table["deep"]["new"] = 1
    with pytest.raises(TypeError):
        table["deep"]["list"][0]["x"] = 2
    assert table["deep"]["list"][0]["x"] == 1


def test_variables_reach_the_table_of_an_agent(load: Load) -> None:
    environ = {f"{AGENT}MODEL": "m", f"{AGENT}SETTINGS__GREETING": "Hi", f"{AGENT}SETTINGS__CRM__REGION": "eu"}
    agent = load(**environ).for_agent("front-desk")
    assert agent.model == "m"
    assert agent.settings["greeting"] == "Hi"
    assert agent.settings["crm"]["region"] == "eu"


def test_a_variable_overrides_the_key_that_is_spelled_like_it_and_keeps_its_type(load: Load) -> None:
    text = "[agent.front-desk.settings]\nmax-guests = 4\nopen = true\nrate = 0.5\ndays = [1, 2]\nPIN = '0123'"
    environ = {
        f"{AGENT}SETTINGS__MAX_GUESTS": "12",
        f"{AGENT}SETTINGS__OPEN": "no",
        f"{AGENT}SETTINGS__RATE": "2",
        f"{AGENT}SETTINGS__DAYS": "3, 4,5",
        f"{AGENT}SETTINGS__PIN": "0999",
    }
    table = load(text, **environ).for_agent("front-desk").settings
    assert dict(table) == {"max-guests": 12, "open": False, "rate": 2.0, "days": (3, 4, 5), "PIN": "0999"}


def test_a_variable_that_does_not_have_the_type_of_the_file_is_refused(load: Load) -> None:
    with pytest.raises(SettingsError, match=f"{AGENT}SETTINGS__N: must be a whole number.* not 'many'"):
        load("[agent.front-desk.settings]\nn = 4", **{f"{AGENT}SETTINGS__N": "many"})


def test_two_keys_that_a_variable_cannot_tell_apart_are_refused(load: Load) -> None:
    with pytest.raises(SettingsError, match="could mean any of 'max-guests' and 'max_guests'"):
        load("[agent.front-desk.settings]\nmax-guests = 1\nmax_guests = 2", **{f"{AGENT}SETTINGS__MAX_GUESTS": "3"})


def test_ids_collide_when_one_is_spelled_like_the_beginning_of_the_other() -> None:
    assert colliding_ids(["a", "a--model", "b"]) == [("a", "a--model")]
    assert colliding_ids(["a", "a-"]) == [("a", "a-")]
    assert colliding_ids(["front-desk", "front", "front-desk-2", "frontdesk"]) == []
    assert variable_name(("agent", "front-desk", "model")) == f"{AGENT}MODEL"


def test_colliding_ids_in_the_settings_are_refused(load: Load) -> None:
    with pytest.raises(SettingsError, match=r"\[agent\.sales\] and \[agent\.sales--eu\]: .*rename"):
        load("[agent.sales]\nmodel = 'a'\n[agents]\nallow = ['sales--eu']")


def test_a_reference_is_resolved_from_a_variable_or_a_file(load: Load, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("from-file\n", encoding="utf-8")
    text = "[agent.a.settings]\nplain = { env = 'VOICE_HOST_TEST_CRM' }\nlist = [{ file = 'token' }, 'x']"
    settings = load(text, VOICE_HOST_TEST_CRM="from-variable")
    table = settings.for_agent("a").settings
    assert table["plain"] == "from-variable"
    assert table["list"] == ("from-file", "x")
    assert (
        str(settings.came_from("agent", "a", "settings", "plain")) == "file voice-host.toml (env VOICE_HOST_TEST_CRM)"
    )


@pytest.mark.parametrize(
    ("reference", "source"), [("{ env = 'NOT_SET' }", "the variable NOT_SET"), ("{ file = 'gone' }", "the file gone")]
)
def test_a_missing_source_names_agent_key_and_source(load: Load, reference: str, source: str) -> None:
    with pytest.raises(SettingsError, match=rf"\[agent\.front-desk\.settings\.crm\] key: .*{source}"):
        load(f"[agent.front-desk.settings.crm]\nkey = {reference}")


def test_a_variable_makes_a_missing_source_unimportant(load: Load) -> None:
    text = "[agent.front-desk.settings]\ncrm = { env = 'NOT_SET' }"
    settings = load(text, **{f"{AGENT}SETTINGS__CRM": "the-secret"})
    assert settings.for_agent("front-desk").settings["crm"] == "the-secret"
    assert "the-secret" not in repr(settings)


def test_secrets_are_neither_in_reprs_nor_in_the_listing(load: Load) -> None:
    text = "[agent.a.settings]\ncrm = { env = 'CRM' }\napi_key = 'secret-2'\nnested = [{ password = 'secret-3' }]"
    settings = load(
        text, CRM="secret-1", ASSEMBLYAI_API_KEY="secret-4", ASSEMBLYAI_TTS_WSS_URL="wss://u:secret-5@h/?k=secret-6"
    )
    listing = list_settings(settings)
    assert settings.for_agent("a").settings["crm"] == "secret-1"
    assert "secret-" not in repr(listing)
    assert "secret-" not in repr(settings)
    assert {entry.key for entry in listing} >= {"server.port", "agent.a.settings.crm", "ASSEMBLYAI_API_KEY"}


def test_everything_below_a_key_that_is_named_like_a_secret_is_one(load: Load) -> None:
    settings = load("[agent.a.settings.credentials]\nuser = 'ada'\nlist = [{ pin = 'PLANTED' }]")
    assert "PLANTED" not in str([entry.value for entry in list_settings(settings)])
    assert settings.for_agent("a").settings["credentials"]["user"] == "ada"
