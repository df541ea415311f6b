"""`[phone]`: what is accepted, and that its secrets stay in the front."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from voice_host.front.run import allowed_hosts
from voice_host.settings import PhoneSettings, Settings, SettingsError, list_settings, load_settings
from voice_host.settings.transfer import keys_to_send, settings_to_send

ACCOUNT = "AC" + "0" * 32
TOML = f"""
[phone]
public_url = "https://voice.example.com"
[phone.numbers]
"+15550100" = "desk"
"+15550101" = {{ agent = "desk@staging", carrier = "twilio" }}
[phone.twilio]
account_sid = "{ACCOUNT}"
auth_token = {{ env = "TWILIO_AUTH_TOKEN" }}
shared_key = "a-shared-key"
"""


def loaded(folder: Path, toml: str = TOML) -> Settings:
    file = folder / "voice-host.toml"
    file.write_text(toml, encoding="utf-8")
    return load_settings(file, {"TWILIO_AUTH_TOKEN": "sekret-token"})


def test_numbers_and_accounts(tmp_path: Path) -> None:
    phone = loaded(tmp_path).phone
    assert {number: (each.agent, each.carrier) for number, each in phone.numbers.items()} == {
        "+15550100": ("desk", None),
        "+15550101": ("desk@staging", "twilio"),
    }
    assert phone.twilio is not None
    assert phone.twilio.auth_token.get_secret_value() == "sekret-token"


def test_secrets_reach_no_worker_and_no_listing(tmp_path: Path) -> None:
    settings = loaded(tmp_path)
    sent = json.dumps([settings_to_send(settings, "desk"), keys_to_send(settings)])
    listing = "\n".join(map(repr, list_settings(settings)))
    for secret in ("sekret-token", "a-shared-key"):
        assert secret not in sent
        assert secret not in listing
        assert secret not in repr(settings)
    assert "voice.example.com" not in sent


@pytest.mark.parametrize(
    ("right", "wrong", "why"),
    [
        ('"+15550100"', '"0555 0100"', "E.164"),
        (ACCOUNT, "AC123", "account_sid"),
        ("https://voice.example.com", "voice.example.com", "public_url"),
        ("voice.example.com", "voice.example.com:99999", "port must be a number from 1 to 65535"),
        ("voice.example.com", "voice.example.com:port", "port must be a number from 1 to 65535"),
        ("voice.example.com", "[voice", "must name a host"),
        ("voice.example.com", "voice.example.com/base", "must be the address of a host and no more"),
        ("voice.example.com", "voice.example.com/base/", "must be the address of a host and no more"),
        ("voice.example.com", "voice.example.com?key=1", "must be the address of a host and no more"),
        ("voice.example.com", "voice.example.com?", "must be the address of a host and no more"),
        ("voice.example.com", "voice.example.com/#top", "must be the address of a host and no more"),
        ("voice.example.com", "user@voice.example.com", "must be the address of a host and no more"),
        ("account_sid", "accountsid", "account_sid"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, right: str, wrong: str, why: str) -> None:
    with pytest.raises(SettingsError) as caught:
        loaded(tmp_path, TOML.replace(right, wrong))
    assert why in str(caught.value.problems)


@pytest.mark.parametrize(
    "key",
    [
        "twilio.auth_token",
        "twilio.shared_key",
        "telnyx.api_key",
        "vonage.private_key",
        "vonage.signature_secret",
    ],
)
def test_empty_secrets_are_refused(key: str) -> None:
    tables: dict[str, dict[str, str]] = {
        "twilio": {"account_sid": ACCOUNT, "auth_token": "t", "shared_key": "s"},
        "telnyx": {"api_key": "k", "public_key": "p"},
        "vonage": {"application_id": "a", "private_key": "k", "signature_secret": "s"},
    }
    PhoneSettings.model_validate(tables)
    carrier, name = key.split(".")
    tables[carrier][name] = ""
    with pytest.raises(ValidationError, match=name):
        PhoneSettings.model_validate(tables)


@pytest.mark.parametrize("content", ["", "\n", "\ufeff"])
def test_an_empty_file_of_a_secret_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "token").write_text(content, encoding="utf-8")
    with pytest.raises(SettingsError) as caught:
        loaded(tmp_path, TOML.replace('{ env = "TWILIO_AUTH_TOKEN" }', '{ file = "token" }'))
    [problem] = caught.value.problems
    assert f"auth_token: it is read from the file {tmp_path / 'token'}, which is empty" in str(problem)


def test_a_public_url_may_end_with_a_slash(tmp_path: Path) -> None:
    assert loaded(tmp_path, TOML.replace("example.com", "example.com/")).phone.public_url


def test_a_public_url_with_a_password_is_not_shown(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        loaded(tmp_path, TOML.replace("https://voice", "https://ada:sekret@voice"))
    assert "sekret" not in str(caught.value)


def test_carriers_may_use_the_public_name_of_a_host_on_loopback(tmp_path: Path) -> None:
    assert "voice.example.com" in allowed_hosts(loaded(tmp_path))
    assert "voice.example.com" not in allowed_hosts(loaded(tmp_path, ""))
