"""What can be checked of `[phone]` without a carrier, and where it is told."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path
from typing import Any

import httpx2
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from fastapi.routing import APIRoute
from rich.console import Console
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from tests.cli.conftest import Run, plugins, run
from tests.environments import make_environment
from tests.sample_plugins import PluginFolder
from voice_host.fleet.service import FleetReport
from voice_host.front.banner import print_banner
from voice_host.front.middleware import AllowedHosts
from voice_host.front.run import allowed_hosts
from voice_host.phone.checking import WEBHOOKS, Answering, PhoneCheck, check_phone
from voice_host.phone.service import CARRIERS
from voice_host.releases.release import Release, Routing
from voice_host.releases.store import ReleaseStore, StoredAgent, StoredRouting
from voice_host.settings import load_settings

__all__ = ["plugins", "run"]


def pem(key: PrivateKeyTypes, password: bytes | None = None) -> str:
    encryption = NoEncryption() if password is None else BestAvailableEncryption(password)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption).decode()


TWILIO = """
[phone.twilio]
account_sid = "AC00000000000000000000000000000000"
auth_token = "0123456789abcdef0123456789abcdef"
"""
TELNYX = f"""
[phone.telnyx]
api_key = "KEY0123456789_abc"
public_key = "{base64.b64encode(bytes(32)).decode()}"
"""
UNKNOWN_CURVE = """-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEGBG0wawIBAQQgAAAAAAAAAAAAAAAAAAAAAAAAAAAA
AAAAAAAAAAAAAAGhRANCAARrF9Hy4SxCR/i85uVjpEDydwN9gS3rM6D0oTlF2JjClk/jQuL+Gn+b
jufrSnwPnhYrzjNXazFezsu2QGg3v1H1
-----END PRIVATE KEY-----
"""
PEM = pem(rsa.generate_private_key(65537, 2048))
VONAGE = f'''
[phone.vonage]
application_id = "00000000-0000-4000-8000-000000000000"
private_key = """{PEM}"""
signature_secret = "s"
'''
URL = 'public_url = "https://voice.example.com"\n'
NUMBER = '[phone.numbers]\n"+15550100" = "front-desk"\n'
GOOD = f"[phone]\n{URL}{NUMBER}{TWILIO}"
OUTBOUND = '[phone.outbound]\nallow = ["+49*"]\nmax_attempts_per_hour = 20\n'
AGENTS: Answering = {"front-desk": {"staging", "1.4.0"}, "night-desk": None}


def checked(folder: Path, toml: str, agents: Answering | None = AGENTS) -> PhoneCheck:
    file = folder / "voice-host.toml"
    file.write_text(toml, encoding="utf-8")
    return check_phone(load_settings(file, {}), agents)


def test_settings_that_are_right(tmp_path: Path) -> None:
    found = checked(tmp_path, GOOD + OUTBOUND)
    assert (found.problems, found.warnings) == ((), ())
    assert [(webhook.carrier, address) for webhook, address in found.webhooks] == [
        ("twilio", "https://voice.example.com/phone/twilio/voice")
    ]
    assert "is unknown" in str(found.note)


def test_a_host_without_telephone_calls(tmp_path: Path) -> None:
    assert checked(tmp_path, "").empty
    assert not checked(tmp_path, NUMBER).empty


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("http://voice.example.com", "begins with http://"),
        ("https://localhost", "names localhost, which carriers cannot reach"),
        ("https://192.168.1.7:8443", "names 192.168.1.7, which carriers cannot reach"),
        ("https://[::1]", "names ::1, which carriers cannot reach"),
        ("https://voice-host", "names voice-host, which carriers cannot reach"),
        ("https://studio.local", "names studio.local, which carriers cannot reach"),
    ],
)
def test_an_address_that_carriers_cannot_use(tmp_path: Path, url: str, problem: str) -> None:
    [found] = checked(tmp_path, GOOD.replace("https://voice.example.com", url)).problems
    assert problem in found


@pytest.mark.parametrize(
    ("url", "allowed", "missing"),
    [
        ("https://voice.example.com", '["localhost"]', True),
        ("https://voice.example.com", "[]", True),
        ("https://voice.example.com", '["*.example.org", "example.com"]', True),
        ("https://Voice.Example.com:8443", '["voice.example.com"]', False),
        ("https://voice.example.com", '["*.example.com"]', False),
        ("https://voice.example.com", '["Voice.Example.com"]', False),
        ("https://voice.example.com", '["*"]', False),
        ("https://8.8.8.8", '["localhost"]', False),  # addresses are always allowed
    ],
)
async def test_a_host_that_refuses_its_own_public_name(tmp_path: Path, url: str, allowed: str, missing: bool) -> None:
    toml = GOOD.replace("https://voice.example.com", url) + f"[server]\nallowed_hosts = {allowed}\n"
    problems = checked(tmp_path, toml).problems
    assert ["server.allowed_hosts does not have voice.example.com" in each for each in problems] == [True] * missing

    async def yes(scope: Scope, receive: Receive, send: Send) -> None:
        await Response()(scope, receive, send)

    settings = load_settings(tmp_path / "voice-host.toml", {})
    app = AllowedHosts(yes, allowed_hosts(settings))
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app)) as http:
        answer = await http.post(f"{settings.phone.public_url}/phone/twilio/voice")
    assert (answer.status_code == 400) == missing


def test_no_address(tmp_path: Path) -> None:
    found = checked(tmp_path, GOOD.replace(URL, ""))
    assert ["phone.public_url is not set" in problem for problem in found.problems] == [True]
    assert (found.webhooks, found.note) == ((), None)


@pytest.mark.parametrize(
    ("toml", "problems"),
    [
        (GOOD.replace('"front-desk"', '"frnt-desk@staging"'), ["no agent 'frnt-desk'", "did you mean 'front-desk'?"]),
        (
            GOOD.replace('"front-desk"', '"front-desk@stagin"'),
            ["phone.numbers.+15550100: front-desk has no release or alias 'stagin'", "did you mean 'staging'?"],
        ),
        (
            GOOD.replace('"front-desk"', '"front-desk@nosuch"'),
            ["that takes calls; known are 1.4.0, staging"],
        ),
        (f"[phone]\n{URL}{NUMBER}", ["no carrier is set up"]),
        (GOOD + TELNYX, ["phone.numbers.+15550100 does not say whose number it is, and twilio and telnyx are set up"]),
        (
            GOOD.replace('"front-desk"', '{ agent = "front-desk", carrier = "vonage" }'),
            ["the carrier 'vonage' is not set up in [phone.vonage]; set up are twilio"],
        ),
        (GOOD.replace(TWILIO, TELNYX) + OUTBOUND, ["phone.telnyx.connection_id is not set"]),
        (f"[phone]\n{URL}{OUTBOUND}{TWILIO}", ["there is no number to call from"]),
    ],
)
def test_what_keeps_calls_from_being_taken_or_made(tmp_path: Path, toml: str, problems: list[str]) -> None:
    found = " ".join(checked(tmp_path, toml).problems)
    assert [problem for problem in problems if problem not in found] == []


@pytest.mark.parametrize("key", ["", "abc", base64.b64encode(bytes(31)).decode()])
def test_a_public_key_that_is_none(tmp_path: Path, key: str) -> None:
    file = tmp_path / "voice-host.toml"
    file.write_text(GOOD.replace(TWILIO, TELNYX), encoding="utf-8")
    settings = load_settings(file, {})
    assert settings.phone.telnyx is not None
    telnyx = settings.phone.telnyx.model_copy(update={"public_key": key})
    phone = settings.phone.model_copy(update={"telnyx": telnyx})
    [problem] = check_phone(settings.model_copy(update={"phone": phone})).problems
    assert "phone.telnyx.public_key is not Base64 of 32 bytes" in problem


@pytest.mark.parametrize(
    "key",
    [
        "secret",
        "-----BEGIN PRIVATE KEY-----",
        PEM[: len(PEM) // 2],
        PEM.replace("BEGIN", "BEGINNING"),
        PEM[:100] + PEM[101:],
        pem(ec.generate_private_key(ec.SECP256R1())),
        pem(rsa.generate_private_key(65537, 2048), b"password"),
        UNKNOWN_CURVE,
    ],
    ids=["text", "line", "half", "other line", "letter missing", "other kind", "password", "unknown kind"],
)
def test_a_private_key_that_is_none(tmp_path: Path, key: str) -> None:
    assert checked(tmp_path, GOOD.replace(TWILIO, VONAGE)).problems == ()
    [problem] = checked(tmp_path, GOOD.replace(TWILIO, VONAGE.replace(PEM, key))).problems
    assert "phone.vonage.private_key is not an RSA key in PEM form without a password" in problem


def test_the_addresses_are_those_of_routes(tmp_path: Path) -> None:
    file = tmp_path / "voice-host.toml"
    file.write_text(GOOD + TELNYX, encoding="utf-8")
    phone = load_settings(file, {}).phone
    calls: Any = None
    for name, make in CARRIERS.items():
        if (carrier := make(phone, calls)) is not None:
            paths = {f"/phone/{name}{route.path}" for route in carrier.webhooks().routes if isinstance(route, APIRoute)}
            assert {webhook.path for webhook in WEBHOOKS[name]} <= paths


@pytest.mark.parametrize(
    ("toml", "warning"),
    [
        (GOOD.replace("0123456789abcdef", "short"), "phone.twilio.auth_token does not look like one"),
        (GOOD.replace(TWILIO, TELNYX.replace("KEY0", "0")), "phone.telnyx.api_key does not look like one"),
        (GOOD.replace(TWILIO, VONAGE.replace("-4000", "")), "phone.vonage.application_id does not look like one"),
        (GOOD.replace("+15550100", "+999555"), "phone.numbers.+999555 has no known country code"),
        (f"[phone]\n{URL}{TWILIO}", "no agent answers a call"),
        (
            GOOD.replace('"front-desk"', '"night-desk@staging"'),
            "phone.numbers.+15550100: whether night-desk has a release or alias 'staging' cannot be checked here",
        ),
        (GOOD + OUTBOUND.replace("+49*", "+1*"), "25 countries"),
        (GOOD + '[phone.transfer]\nallow = ["+1*", "sip:*@pbx.example.com"]\n', "phone.transfer.allow: +1* allows"),
        (GOOD + OUTBOUND.replace("max_attempts_per_hour = 20", ""), "phone.outbound.max_attempts_per_hour must be set"),
    ],
)
def test_what_may_not_be_meant(tmp_path: Path, toml: str, warning: str) -> None:
    found = checked(tmp_path, toml)
    assert found.problems == ()
    assert [warning in each for each in found.warnings] == [True]


def test_no_secret_is_told(tmp_path: Path) -> None:
    secrets = ("wrong-token", "wrong-key", "wrong-pem")
    toml = GOOD + TELNYX.replace("KEY0123456789_abc", secrets[1]) + VONAGE.replace(PEM, secrets[2])
    found = checked(tmp_path, toml.replace("0123456789abcdef0123456789abcdef", secrets[0]))
    assert [secret for secret in secrets if secret in repr(found)] == []


@pytest.mark.parametrize("target", ["staging", "1.4.0", "production"])
def test_a_number_of_a_release(tmp_path: Path, target: str) -> None:
    found = checked(tmp_path, GOOD.replace('"front-desk"', f'"front-desk@{target}"'))
    assert (found.problems, found.warnings) == ((), ())


@pytest.mark.usefixtures("embedded_speech")
def test_check_knows_what_is_deployed(run: Run, plugins: PluginFolder) -> None:
    plugins.install("hello", version="1.0")
    store = ReleaseStore(plugins.path / "voice-host-data")
    for version in ("1.4", "1.5"):
        environment = make_environment(store.folder / "hello" / version / "env")
        environment.install("hello", version=version)
        release = Release(agent_id="hello", name=version, distribution="hello", version=version, entry_point="hello")
        (store.folder / "hello" / version / "release.json").write_text(release.model_dump_json(), encoding="utf-8")

    def problem(target: str, **environ: str) -> str | None:
        toml = GOOD.replace('"front-desk"', f'"hello@{target}"') + '[agents]\nallow = ["hello"]\n'
        Path("voice-host.toml").write_text(toml, encoding="utf-8")
        [phone] = [each for each in json.loads(run("check", "--json", **environ).stdout) if each["kind"] == "phone"]
        found: str | None = phone["error"]
        return found

    assert problem("1.0") is None  # installed beside the host
    assert "'nosuch' that takes calls" in str(problem("nosuch"))
    elsewhere = {"VOICE_HOST_DATA__DIR": "data-of-the-running-host"}  # which is not there where an image is built
    assert problem("nosuch", **elsewhere) is None
    routing = Routing(traffic={"1.0": 100}, aliases={"staging": "1.4"})
    store.write("hello", StoredRouting(installed="1.0", routing=routing))
    assert [problem(target) for target in ("1.0", "1.4", "staging")] == [None, None, None]
    assert "hello has no release or alias '1.5' that takes calls" in str(problem("1.5"))
    assert "hello has no release or alias 'nosuch' that takes calls" in str(problem("nosuch"))
    assert "hello has no release or alias 'staging'" in str(problem("staging", VOICE_HOST_AGENTS__ISOLATION="none"))
    (store.folder / "hello" / "routing.json").write_text("{", encoding="utf-8")
    assert problem("nosuch") is None
    assert "whether hello has a release or alias 'nosuch' cannot be checked here" in run("check").stderr


@pytest.mark.usefixtures("embedded_speech")
def test_check_does_not_know_what_is_deployed_without_the_rights_of_the_host(
    run: Run, plugins: PluginFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(self: ReleaseStore) -> dict[str, StoredAgent]:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(ReleaseStore, "read", read)
    plugins.install("hello")
    toml = GOOD.replace('"front-desk"', '"hello@staging"') + '[agents]\nallow = ["hello"]\n'
    Path("voice-host.toml").write_text(toml, encoding="utf-8")
    shown = run("check")
    assert shown.exit_code == 0
    assert "whether hello has a release or alias 'staging' cannot be checked here" in shown.stderr


@pytest.mark.usefixtures("embedded_speech")
def test_check_prints_the_addresses_to_copy(run: Run) -> None:
    Path("voice-host.toml").write_text(GOOD + '[agents]\nallow = ["front-desk"]\n', encoding="utf-8")
    shown = run("check")
    assert shown.exit_code == 0, shown.output
    assert "  https://voice.example.com/phone/twilio/voice" in shown.stdout.splitlines()
    assert "Whether carriers can reach https://voice.example.com from outside is unknown" in shown.stdout
    wrong = GOOD.replace("https:", "http:") + '[agents]\nallow = ["front-desk"]\n'
    Path("voice-host.toml").write_text(wrong, encoding="utf-8")
    shown = run("check", "--json")
    assert shown.exit_code == 1
    assert "error:" not in shown.stderr
    [phone] = [each for each in json.loads(shown.stdout) if each["kind"] == "phone"]
    assert (phone["status"], "http://" in phone["error"]) == ("broken", True)


def test_config_tells_of_problems(run: Run) -> None:
    Path("voice-host.toml").write_text(GOOD.replace("https:", "http:"), encoding="utf-8")
    shown = run("config")
    assert shown.exit_code == 0
    assert "error: phone.public_url begins with http://" in shown.stderr
    assert "0123456789abcdef" not in shown.output


def test_the_start_of_the_host_tells_of_addresses_and_problems(tmp_path: Path) -> None:
    printed = io.StringIO()
    phone = checked(tmp_path, GOOD + TELNYX)
    print_banner(FleetReport("ready"), "http://localhost:8000", Console(file=printed, width=200), phone=phone)
    lines = printed.getvalue().splitlines()
    assert "Webhook for Twilio: https://voice.example.com/phone/twilio/voice" in lines
    assert any(line.startswith("Telephone calls: phone.numbers.+15550100 does not say") for line in lines)
