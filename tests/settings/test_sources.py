"""Which source wins, and that each value knows where it came from."""

import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import SecretStr

from tests.settings.conftest import Load
from voice_host.settings import Settings, SettingsError, list_settings, load_settings
from voice_host.settings.retired import RETIRED


def test_without_a_file_or_variables_there_are_defaults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    settings = load_settings(environ={})
    assert (settings.server.host, settings.server.port, settings.server.log_format) == ("127.0.0.1", 8000, "text")
    assert settings.agents.allow is None
    assert settings.agents.required == ()
    assert settings.path is None
    assert settings.came_from("server", "port").kind == "default"


def test_the_option_wins_over_the_variable_and_the_variable_over_the_file(load: Load) -> None:
    text = "[server]\nhost = 'file'\nport = 1\nlog_level = 'error'"
    environ = {"VOICE_HOST_SERVER__HOST": "variable", "VOICE_HOST_SERVER__PORT": "2"}
    settings = load(text, {"server.host": "option", "server.log_format": None}, **environ)
    assert (settings.server.host, settings.server.port, settings.server.log_level) == ("option", 2, "error")
    assert str(settings.came_from("server", "host")) == "option --host"
    assert str(settings.came_from("server", "port")) == "variable VOICE_HOST_SERVER__PORT"
    assert str(settings.came_from("server", "log_level")) == "file voice-host.toml"
    assert settings.came_from("server", "log_format").kind == "default"


def test_a_table_that_is_given_as_one_value_is_the_source_of_what_it_sets(load: Load) -> None:
    settings = load('[phone.numbers]\n"+15550100" = "desk"\n"+15550101" = { agent = "desk" }\n"+15550102" = "desk"')
    for number in ("+15550100", "+15550101"):
        assert str(settings.came_from("phone", "numbers", number, "agent")) == "file voice-host.toml"
        assert settings.came_from("phone", "numbers", number, "carrier").kind == "default"
    listed = {entry.key: str(entry.came_from) for entry in list_settings(settings)}
    assert listed["phone.numbers.+15550102.agent"] == "file voice-host.toml"
    assert listed["phone.numbers.+15550102.carrier"] == "default"


def test_config_wins_over_the_variable_that_names_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for port, name in enumerate(("voice-host.toml", "variable.toml", "given.toml"), start=1):
        (tmp_path / name).write_text(f"server.port = {port}", encoding="utf-8")
    environ = {"VOICE_HOST_CONFIG": "variable.toml"}
    assert load_settings(environ={"VOICE_HOST_CONFIG": ""}).server.port == 1
    assert load_settings(environ=environ).server.port == 2
    assert load_settings(Path("given.toml"), environ).server.port == 3


@pytest.mark.parametrize(("path", "source"), [(Path("nope.toml"), "--config"), (None, "VOICE_HOST_CONFIG")])
def test_a_file_that_was_named_has_to_exist(path: Path | None, source: str) -> None:
    with pytest.raises(SettingsError, match=rf"{source}: there is no file nope\.toml"):
        load_settings(path, {"VOICE_HOST_CONFIG": "nope.toml"})


def test_a_file_that_is_not_toml_is_named_with_the_line(load: Load) -> None:
    with pytest.raises(SettingsError, match=r"voice-host\.toml: is not valid TOML: .*line 2"):
        load("[server]\nport 8000")


def test_lists_are_separated_by_commas_in_variables(load: Load) -> None:
    settings = load(VOICE_HOST_AGENTS__ALLOW="front-desk, sales", VOICE_HOST_AGENTS__REQUIRED="sales")
    assert settings.agents.allow == ("front-desk", "sales")
    assert settings.agents.required == ("sales",)
    assert settings.agents.allows("sales")
    assert not settings.agents.allows("billing")


def test_an_empty_allow_list_allows_nobody(load: Load) -> None:
    assert not load("agents.allow = []").agents.allows("front-desk")


def test_an_empty_variable_counts_as_unset(load: Load) -> None:
    settings = load(VOICE_HOST_SERVER__PORT="", ASSEMBLYAI_API_KEY=" ", VOICE_HOST_MODEL="")
    assert settings.server.port == 8000
    assert settings.keys.assemblyai_api_key is None
    assert settings.keys.model is None


def test_service_keys_are_plain_variables(load: Load) -> None:
    settings = load(
        ASSEMBLYAI_API_KEY="key-one\n",
        ASSEMBLYAI_TTS_API_KEY="key-two",
        ASSEMBLYAI_TTS_WSS_URL="wss://voice.example/ws",
        VOICE_HOST_ASSEMBLYAI_WS_URL="ws://127.0.0.1:9/ws",
        VOICE_HOST_ASSEMBLYAI_TTS_WS_URL="ws://u:key-four@127.0.0.1:9/v1/ws",
        VOICE_HOST_LLM_BASE_URL="http://127.0.0.1:9/v1",
        VOICE_HOST_LLM_API_KEY="key-three",
        VOICE_HOST_MODEL="openai:any",
    )
    keys = settings.keys
    assert keys.assemblyai_api_key is not None
    assert keys.assemblyai_api_key.get_secret_value() == "key-one"
    assert (keys.llm_base_url, keys.model) == ("http://127.0.0.1:9/v1", "openai:any")
    cloud, orpheus = (dict(settings.speech_options[name]) for name in ("assemblyai", "orpheus"))
    assert cloud == {
        "assemblyai_api_key": SecretStr("key-one"),
        "stt_url": "ws://127.0.0.1:9/ws",
        "tts_url": "ws://u:key-four@127.0.0.1:9/v1/ws",
    }
    assert orpheus == {"tts_api_key": SecretStr("key-two"), "url": "wss://voice.example/ws"}
    assert "key-" not in repr(settings)


def test_auto_takes_the_cloud_service_whose_key_is_set(load: Load) -> None:
    embedded = load()
    assert (embedded.speech_to_text, embedded.text_to_speech) == ("embedded", "embedded")
    cloud = load(ASSEMBLYAI_API_KEY="k", ASSEMBLYAI_TTS_API_KEY="k")
    assert (cloud.speech_to_text, cloud.text_to_speech) == ("assemblyai", "orpheus")
    chosen = load("providers.speech_to_text = 'embedded'", ASSEMBLYAI_API_KEY="k")
    assert chosen.speech_to_text == "embedded"


def test_the_voice_of_assemblyai_is_taken_only_when_it_is_named(load: Load) -> None:
    assert load(ASSEMBLYAI_API_KEY="k").text_to_speech == "embedded"
    named = load("providers.text_to_speech = 'assemblyai'", ASSEMBLYAI_API_KEY="k", ASSEMBLYAI_TTS_API_KEY="k")
    assert named.text_to_speech == "assemblyai"


def test_settings_load_without_any_adapter() -> None:
    code = "import sys, voice_host.settings as s; s.load_settings(environ={}); print(*sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert "voice_host.settings" in result.stdout
    loaded = {name for name in result.stdout.split() if name.startswith("voice_host.speech")}
    assert "voice_host.speech.orpheus.spec" in loaded
    assert {name for name in loaded if name.count(".") > 2 and not name.endswith(".spec")} == set()
    assert "websockets" not in result.stdout


@pytest.mark.parametrize("path", RETIRED, ids=".".join)
def test_every_setting_that_has_gone_is_a_warning_and_no_setting(load: Load, path: tuple[str, str]) -> None:
    table, key = path
    [warning] = load(f"[{table}]\n{key} = 4").warnings
    assert f"[{table}] {key}" in warning.where
    assert key not in type(getattr(Settings(), table)).model_fields


def test_a_setting_that_has_gone_is_a_warning(load: Load) -> None:
    settings = load("[providers]\nembedded_processes = 4", VOICE_HOST_RESILIENCE__EMBEDDED_ANSWER_TIMEOUT_S="9")
    where = [warning.where for warning in settings.warnings]
    assert len(where) == 2
    assert "embedded_processes" in where[0]
    assert where[1] == "VOICE_HOST_RESILIENCE__EMBEDDED_ANSWER_TIMEOUT_S"
    assert all("no longer has any effect" in warning.message for warning in settings.warnings)
    assert load().warnings == ()
