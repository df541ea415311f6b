"""`voice-host keys`."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.cli.conftest import Run
from tests.sample_plugins import PluginFolder

KEYS = {"VOICE_HOST_AUTH__KEYS_FILE": "keys.json"}


def created(run: Run, *arguments: str) -> dict[str, Any]:
    result = run("keys", "create", *arguments, "--json", **KEYS)
    assert result.exit_code == 0, result.output
    return dict(json.loads(result.stdout))


def test_a_key_is_shown_once_and_listed_without_its_secret(run: Run, plugins: PluginFolder) -> None:
    result = run("keys", "create", "booking site", "--agents", "front-desk", "--expires-in", "90d", **KEYS)
    assert result.exit_code == 0
    key = result.stdout.strip()
    assert key.startswith("vh_")
    assert "only time" in result.stderr
    secret = key.split("_", 2)[2]
    for arguments in ([], ["--json"]):
        listed = run("keys", "list", *arguments, **KEYS)
        assert "booking site" in listed.output
        assert secret not in listed.output
    assert secret not in (plugins.path / "keys.json").read_text()
    (row,) = json.loads(run("keys", "list", "--json", **KEYS).stdout)
    assert (row["scopes"], row["agents"], row["expired"]) == (["calls", "tokens"], ["front-desk"], False)


def test_a_key_for_an_agent_that_is_not_installed_is_made_with_a_warning(run: Run, plugins: PluginFolder) -> None:
    plugins.install("sales-desk")
    result = run("keys", "create", "site", "--agents", "sales-dsk,sales-desk", **KEYS)
    assert result.exit_code == 0
    assert result.stdout.startswith("vh_")
    assert "warning: no agent 'sales-dsk' is installed; did you mean 'sales-desk'?\n" in result.stderr
    assert result.stderr.count("is installed") == 1
    assert "is installed" not in run("keys", "create", "all", **KEYS).stderr


def test_a_key_is_revoked_by_id_by_name_or_by_itself(run: Run) -> None:
    first, second, third = created(run, "one"), created(run, "two"), created(run, "three", "--scopes", "metrics")
    assert run("keys", "revoke", first["id"], **KEYS).exit_code == 0
    assert run("keys", "revoke", "two", **KEYS).exit_code == 0
    result = run("keys", "revoke", f" {third['key']}\n", **KEYS)
    assert "Revoked" in result.stdout
    assert third["key"] not in result.output
    assert second["key"] not in result.output
    assert "no keys" in run("keys", "list", **KEYS).stdout


def test_a_key_for_a_pipeline_is_limited_to_its_agents_and_an_admin_is_not(run: Run) -> None:
    key = created(run, "pipeline", "--scopes", "logs,deploy", "--agents", "front-desk")
    assert (key["scopes"], key["agents"]) == (["deploy", "logs"], ["front-desk"])
    assert created(run, "root", "--scopes", "admin")["scopes"] == ["admin"]
    refused = run("keys", "create", "root", "--scopes", "admin", "--agents", "front-desk", **KEYS)
    assert refused.exit_code == 2
    assert "error: the key cannot be created: the scope admin is for all agents" in refused.stderr


def test_a_relative_key_file_lies_beside_the_settings(run: Run, plugins: PluginFolder) -> None:
    folder = plugins.path / "etc"
    folder.mkdir()
    (folder / "host.toml").write_text('[auth]\nkeys_file = "keys.json"\n')
    assert run("keys", "create", "site", "--config", "etc/host.toml").exit_code == 0
    assert (folder / "keys.json").exists()


@pytest.mark.parametrize(
    ("arguments", "says", "code"),
    [
        (["create", "x", "--scopes", "metric"], "did you mean 'metrics'?", 2),
        (["create", "x", "--scopes", ","], "would be useless", 2),
        (["create", "x", "--agents", ""], "leave --agents out", 2),
        (["create", "x", "--agents", " , "], "leave --agents out", 2),
        (["create", "x", "--agents", "Front Desk"], "did you mean 'front-desk'?", 2),
        (["create", "x", "--expires-in", "3y"], "90d, 12h or 30m", 2),
        (["create", "x" * 101], "1 to 100 characters", 2),
        (["revoke", "site"], "there is no key 'site'", 2),
    ],
)
def test_mistakes(run: Run, arguments: list[str], says: str, code: int) -> None:
    result = run("keys", *arguments, **KEYS)
    assert result.exit_code == code
    assert says in result.output


def test_without_a_key_file_it_says_how_to_name_one(run: Run) -> None:
    for arguments in (["create", "x"], ["list"], ["revoke", "x"]):
        result = run("keys", *arguments)
        assert result.exit_code == 2
        assert "keys_file" in result.output


def test_a_spoilt_key_file_is_left_as_it_is(run: Run, plugins: PluginFolder) -> None:
    (plugins.path / "keys.json").write_text("{")
    for arguments in (["create", "x"], ["list"], ["revoke", "x"]):
        result = run("keys", *arguments, **KEYS)
        assert result.exit_code == 1
        assert "not a key file" in result.output
    assert (plugins.path / "keys.json").read_text() == "{"


def test_settings_that_cannot_be_used_do_not_show_the_secret(run: Run) -> None:
    result = run("config", VOICE_HOST_AUTH__TOKEN_SECRET="correct-horse")
    assert result.exit_code == 2
    assert "32 bytes" in result.output
    assert "correct-horse" not in result.output
    long_enough = "correct-horse-battery-staple-and-more"
    for arguments in ([], ["--json"]):
        result = run("config", *arguments, VOICE_HOST_AUTH__TOKEN_SECRET=long_enough)
        assert result.exit_code == 0
        assert "auth.token_secret" in result.output
        assert long_enough not in result.output
