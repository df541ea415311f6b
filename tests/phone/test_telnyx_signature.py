"""Signatures of Telnyx' webhooks, judged by ours and by Telnyx' own library."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping

import pytest
from starlette.datastructures import Headers

from tests.groups import needs
from tests.simulators.telnyx import TelnyxSimulator
from voice_host.phone.telnyx_signature import public_key, why_not_signed

needs("telnyx")

import telnyx  # noqa: E402

BODY = json.dumps({"data": {"event_type": "call.initiated", "payload": {"to": "Müller"}}}, ensure_ascii=False).encode()
ACCOUNT, OTHER = TelnyxSimulator(), TelnyxSimulator()


def ours(headers: Mapping[str, str], body: bytes) -> bool:
    return why_not_signed(public_key(ACCOUNT.public_key), Headers(headers), body) is None


def theirs(headers: Mapping[str, str], body: bytes) -> bool:
    client = telnyx.Telnyx(api_key="KEY", public_key=ACCOUNT.public_key)
    try:
        client.webhooks.unwrap(body.decode(), headers=dict(headers))
    except ValueError:
        return False
    return True


@pytest.mark.parametrize(
    ("age_s", "genuine"), [(0, True), (280, True), (-280, True), (320, False), (-320, False), (10**9, False)]
)
def test_ours_and_telnyx_own_agree_how_old_a_webhook_may_be(age_s: float, genuine: bool) -> None:
    headers = ACCOUNT.signed(BODY, at_s=time.time() - age_s)
    assert ours(headers, BODY) == theirs(headers, BODY) == genuine


@pytest.mark.parametrize(
    ("changes", "body"),
    [
        ({}, BODY + b" "),
        ({"telnyx-timestamp": str(int(time.time()) - 1)}, BODY),
        ({"telnyx-timestamp": "now"}, BODY),
        ({"telnyx-timestamp": ""}, BODY),
        ({"telnyx-signature-ed25519": "?"}, BODY),
        ({"telnyx-signature-ed25519": "AAAA"}, BODY),
        ({"telnyx-signature-ed25519": OTHER.signed(BODY)["telnyx-signature-ed25519"]}, BODY),
    ],
)
def test_ours_and_telnyx_own_agree_what_is_forged(changes: dict[str, str], body: bytes) -> None:
    headers = {**ACCOUNT.signed(BODY), **changes}
    assert not ours(headers, body)
    assert not theirs(headers, body)


def test_ours_and_telnyx_own_agree_that_a_signature_is_needed() -> None:
    assert not ours({}, BODY)
    assert not theirs({}, BODY)


def test_names_of_headers_are_not_case_sensitive() -> None:
    headers = {name.title(): value for name, value in ACCOUNT.signed(BODY).items()}
    assert ours(headers, BODY)
    assert theirs(headers, BODY)


@pytest.mark.parametrize("text", ["", "AAAA", "no key!"])
def test_with_what_is_no_public_key_nothing_is_genuine(text: str) -> None:
    why = why_not_signed(public_key(text), Headers(ACCOUNT.signed(BODY)), BODY)
    assert why == "phone.telnyx.public_key is not Base64 of 32 bytes"
