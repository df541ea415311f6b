"""`voice-host config`."""

import json

import pytest

from tests.cli.conftest import Run
from tests.sample_plugins import PluginFolder


def test_every_setting_with_its_origin_and_without_secrets(run: Run, plugins: PluginFolder) -> None:
    text = "[server]\nport = 9000\n[agent.sales.settings]\ncrm = { env = 'CRM' }\nregion = 'eu'"
    (plugins.path / "mine.toml").write_text(text, encoding="utf-8")
    environ = {"CRM": "hunter-2", "ASSEMBLYAI_API_KEY": "hunter-3", "VOICE_HOST_SERVER__LOG_FORMAT": "json"}
    for arguments in (["--json"], []):
        result = run("config", "--config", "mine.toml", *arguments, **environ)
        assert result.exit_code == 0
        assert "hunter" not in result.output

    data = json.loads(run("config", "--config", "mine.toml", "--json", **environ).stdout)
    assert data["file"] == "mine.toml"
    by_key = {entry.pop("key"): tuple(entry.values()) for entry in data["settings"]}
    assert by_key["server.host"] == ("127.0.0.1", "default", None, None)
    assert by_key["server.port"] == (9000, "file", "mine.toml", None)
    assert by_key["server.log_format"] == ("json", "variable", "VOICE_HOST_SERVER__LOG_FORMAT", None)
    assert by_key["agent.sales.settings.crm"] == ("********", "file", "mine.toml", "env CRM")
    assert by_key["agent.sales.settings.region"] == ("eu", "file", "mine.toml", None)
    assert by_key["ASSEMBLYAI_API_KEY"] == ("********", "variable", "ASSEMBLYAI_API_KEY", None)


def test_what_stands_in_the_env_file_names_it(run: Run, plugins: PluginFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTHON_DOTENV_DISABLED")
    text = "VOICE_HOST_SERVER__PORT=9000\nASSEMBLYAI_API_KEY=hunter-2\nASSEMBLYAI_TTS_API_KEY=hunter-3\n"
    (plugins.path / ".env").write_text(text, encoding="utf-8")
    result = run("config", ASSEMBLYAI_TTS_API_KEY="hunter-4")
    assert "hunter" not in result.output
    lines = {line.split()[0]: " ".join(line.split()[1:]) for line in result.stdout.splitlines()}
    assert lines["server.port"] == "9000 .env VOICE_HOST_SERVER__PORT"
    assert lines["ASSEMBLYAI_API_KEY"] == "******** .env ASSEMBLYAI_API_KEY"
    assert lines["ASSEMBLYAI_TTS_API_KEY"] == "******** variable ASSEMBLYAI_TTS_API_KEY"
    data = json.loads(run("config", "--json").stdout)
    [port] = [entry for entry in data["settings"] if entry["key"] == "server.port"]
    assert (port["origin"], port["source"]) == (".env", "VOICE_HOST_SERVER__PORT")


def test_the_token_of_a_call_may_stand_in_the_env_file(
    run: Run, plugins: PluginFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PYTHON_DOTENV_DISABLED")
    monkeypatch.setenv("VOICE_HOST_TOKEN", "")  # so that it is taken away again
    monkeypatch.delenv("VOICE_HOST_TOKEN")
    (plugins.path / ".env").write_text("VOICE_HOST_TOKEN=schlüssel\n", encoding="utf-8")
    result = run("call", "desk", "--text", "hello", "--url", "ws://127.0.0.1:9")
    assert "is no API key or call token" in result.output


def test_the_table_for_people(run: Run) -> None:
    result = run("config", VOICE_HOST_AGENTS__ALLOW="front-desk")
    lines = {line.split()[0]: " ".join(line.split()[1:]) for line in result.stdout.splitlines()}
    assert lines["agents.allow"] == '["front-desk"] variable VOICE_HOST_AGENTS__ALLOW'
    assert lines["server.port"] == "8000 default"
