"""`[extensions]` and `[extension.<name>]`: read like an agent's own settings."""

import pytest

from tests.settings.conftest import Load
from voice_host.settings import SettingsError, list_settings

FRONT_DOOR = "VOICE_HOST_EXTENSION__FRONT_DOOR__"


def test_an_extension_gets_its_own_table_and_nothing_else(load: Load) -> None:
    settings = load("[extension.front-door]\nrealm = 'desk'\nlimits = { day = 3 }\n[extension.other]\nx = 1")
    table = settings.for_extension("front-door")
    assert table == {"realm": "desk", "limits": {"day": 3}}
    assert settings.for_extension("absent") == {}
    with pytest.raises(TypeError):
        table["limits"]["day"] = 4


def test_variables_override_the_file_and_take_its_types(load: Load) -> None:
    text = "[extension.front-door]\nmaxTries = 3"
    settings = load(text, **{f"{FRONT_DOOR}MAXTRIES": "5", f"{FRONT_DOOR}DEEP__KEY": "text"})
    assert settings.for_extension("front-door") == {"maxTries": 5, "deep": {"key": "text"}}
    assert settings.came_from("extension", "front-door", "maxTries").source == f"{FRONT_DOOR}MAXTRIES"


def test_secrets_are_resolved_and_not_shown(load: Load) -> None:
    settings = load("[extension.a]\nplain = { env = 'CRM' }\napi_key = 'secret-2'", CRM="secret-1")
    assert settings.for_extension("a")["plain"] == "secret-1"
    assert "secret-" not in repr(list_settings(settings))
    assert {entry.key for entry in list_settings(settings)} >= {"extensions.allow", "extension.a.plain"}
    with pytest.raises(SettingsError, match=r"\[extension\.a\] key: .*the variable NOT_SET"):
        load("[extension.a]\nkey = { env = 'NOT_SET' }")


def test_the_allow_list(load: Load) -> None:
    assert load().extensions.allows("anything")
    settings = load(VOICE_HOST_EXTENSIONS__ALLOW="front-door, metrics")
    assert settings.extensions.allows("metrics")
    assert not settings.extensions.allows("other")


@pytest.mark.parametrize(
    ("text", "environ", "problem"),
    [
        ("[extension.Front_Door]", {}, "is not an extension's name.*did you mean 'front-door'"),
        ("[extensions]\nallows = []", {}, "did you mean 'allow'"),
        ("extension.a = 3", {}, "must be a table, not 3"),
        ("", {"VOICE_HOST_EXTENSION__A": "1"}, "write VOICE_HOST_EXTENSION__<NAME>__<KEY>"),
        ("[extension.a]\n[extension.a--b]", {}, r"\[extension\.a\] and \[extension\.a--b\].*rename"),
    ],
)
def test_mistakes(load: Load, text: str, environ: dict[str, str], problem: str) -> None:
    with pytest.raises(SettingsError, match=problem):
        load(text, **environ)
