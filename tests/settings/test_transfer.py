"""The settings that a worker gets: as JSON, of its agent alone, and equal to those of the host."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, time
from pathlib import Path

import pytest

from voice_host.settings import Settings, load_settings
from voice_host.settings.secrets import SecretText
from voice_host.settings.transfer import keys_to_send, received_settings, settings_to_send

FILE = """
[server]
port = 9000
drain_timeout_s = 7.5
trusted_proxies = ["10.0.0.0/8"]
[auth]
token_secret = "0123456789012345678901234567890123456789"
[agents]
callback_timeout_s = 2
required = ["desk"]
[limits]
max_calls = 3
[agent.desk]
model = "openai:gpt-4.1"
allowed_models = ["openai:*"]
environment = "envs/desk"
launcher = ["env", "A=1"]
[agent.desk.settings]
since = 2026-01-02
at = 2026-01-02T03:04:05Z
opens = 07:30:00
password = "hunter2222"
key = { env = "CRM_KEY" }
"$odd" = { "$secret" = "no tag" }
nested = { list = [1, 2.5, true, { a = "b" }] }
[agent.other.settings]
password = "not for the desk"
[extension.sounds]
api_key = "of the extension"
[extension.audit]
api_key = "not for workers"
"""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    file = tmp_path / "voice-host.toml"
    file.write_text(FILE, encoding="utf-8")
    environ = {"CRM_KEY": "crm-key", "ASSEMBLYAI_API_KEY": "aai-key", "VOICE_HOST_MODEL": "openai:gpt-5"}
    return load_settings(file, environ)


def sent(settings: Settings) -> Settings:
    text = json.dumps([settings_to_send(settings, "desk", ["sounds"]), keys_to_send(settings)])
    assert "not for" not in text
    assert "0123456789" not in text
    return received_settings(*json.loads(text))


def test_tables_of_the_agent_are_the_same(settings: Settings) -> None:
    received = sent(settings)
    for table in ("server", "sessions", "providers", "limits", "resilience", "keys", "speech_options", "path"):
        assert getattr(received, table) == getattr(settings, table), table
    assert received.for_agent("desk") == settings.for_agent("desk")
    assert received.agents.allow == ("desk",)
    assert received.agents.callback_timeout_s == 2
    assert received.for_extension("sounds") == settings.for_extension("sounds")
    assert not received.for_agent("other").settings
    assert received.auth.token_secret is None


def test_values_keep_their_types(settings: Settings) -> None:
    own = sent(settings).for_agent("desk").settings
    assert own["since"] == date(2026, 1, 2)
    assert type(own["since"]) is date
    assert own["at"] == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert own["opens"] == time(7, 30)
    assert isinstance(own["key"], SecretText)
    assert own["key"] == "crm-key"
    assert "hunter2222" not in repr(own)
    assert own["$odd"] == {"$secret": "no tag"}


def test_messages_name_the_place_to_edit(settings: Settings) -> None:
    received = sent(settings)
    for path in (("agent", "desk", "model"), ("limits", "max_calls"), ("agent", "desk", "settings", "key")):
        assert received.came_from(*path) == settings.came_from(*path) != received.came_from("no", "such")
    assert ("agent", "other", "settings", "password") not in received.provenance


def test_keys_are_sent_by_their_variables(settings: Settings) -> None:
    keys = keys_to_send(settings)
    assert keys["ASSEMBLYAI_API_KEY"] == "aai-key"
    assert keys["VOICE_HOST_MODEL"] == "openai:gpt-5"
    assert "CRM_KEY" not in keys
    assert keys_to_send(Settings()) == {}


def test_settings_of_another_version_are_refused(settings: Settings) -> None:
    other = settings_to_send(settings, "desk")
    other["tables"]["server"]["no_such_key"] = 1
    with pytest.raises(ValueError, match="no_such_key"):
        received_settings(other, {})
