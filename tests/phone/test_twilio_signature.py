"""Signatures of Twilio's requests: ours, and those that Twilio's own library computes and accepts."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.groups import needs
from tests.simulators.twilio_rules import signature
from voice_host.phone.twilio_signature import HEADER, SETTINGS_HEADER, Secrets, why_not_signed

needs("twilio")

from twilio.request_validator import RequestValidator  # noqa: E402

TOKEN = "12345"
SECRETS = Secrets(TOKEN, "shared")
URL = "https://voice.example.com/phone/twilio/voice"
FORM = [("CallSid", "CA1"), ("From", "+15550199"), ("To", "+15550100")]
SHA256 = {SETTINGS_HEADER: "key=webhooks_sharedkey_1,algorithm=HMAC_SHA256"}


class Fields(dict[str, list[str]]):
    """What the library takes for a form with repeated names."""

    def getlist(self, name: str) -> list[str]:
        return self[name]


def library_fields(form: list[tuple[str, str]]) -> Fields:
    fields = Fields()
    for name, value in form:
        fields.setdefault(name, []).append(value)
    return fields


def check(headers: dict[str, str], url: str = URL, form: Any = FORM, body: bytes = b"") -> str | None:
    return why_not_signed(SECRETS, headers, url, form, body)


NAMES = st.text(st.characters(codec="utf-8"), max_size=5)


@settings(max_examples=60, deadline=None)
@given(form=st.lists(st.tuples(NAMES, NAMES), max_size=5), query=st.sampled_from(["", "?a=1&b=%20"]))
def test_we_accept_what_the_library_computes(form: list[tuple[str, str]], query: str) -> None:
    url, validator = URL + query, RequestValidator(TOKEN)
    given_signature = validator.compute_signature(url, library_fields(form))
    assert given_signature == signature(TOKEN, url, form)  # the simulator's is the same
    assert check({HEADER: given_signature}, url, form) is None
    assert validator.validate(url, library_fields(form), given_signature)
    changed = [*form, ("Digits", "1")]
    assert check({HEADER: given_signature}, url, changed) == "the signature is wrong"
    assert not validator.validate(url, library_fields(changed), given_signature)


@pytest.mark.parametrize("signed", ["https://voice.example.com/a", "https://voice.example.com:443/a"])
@pytest.mark.parametrize("known", ["https://voice.example.com/a", "https://voice.example.com:443/a"])
def test_a_port_may_be_added_or_left_out(signed: str, known: str) -> None:
    computed = RequestValidator(TOKEN).compute_signature(signed, {})
    assert RequestValidator(TOKEN).validate(known, {}, computed)
    assert check({HEADER: computed}, known, []) is None


@pytest.mark.parametrize(
    "signed",
    [
        "https://voice.example.com/phone/twilio/stream/token",
        "wss://Voice.example.com/phone/twilio/stream/token",
        "wss://voice.example.com/phone/twilio/stream/token/",
        "wss://voice.example.com/phone/twilio/stream/other",
    ],
)
def test_a_stream_is_signed_by_its_own_address(signed: str) -> None:
    url = "wss://voice.example.com/phone/twilio/stream/token"
    computed = RequestValidator(TOKEN).compute_signature(signed, {})
    assert check({HEADER: computed}, url, []) == "the signature is wrong"
    assert check({HEADER: RequestValidator(TOKEN).compute_signature(url, {})}, url, []) is None


def test_another_body_is_covered_by_its_hash() -> None:
    body = b'{"a":1}'
    url = f"{URL}?bodySHA256={hashlib.sha256(body).hexdigest()}"
    computed = RequestValidator(TOKEN).compute_signature(url, {})
    assert RequestValidator(TOKEN).validate(url, body.decode(), computed)
    assert check({HEADER: computed}, url, [], body) is None
    assert check({HEADER: computed}, url, [], b'{"a":2}') == "the body is not what was signed"
    plain = RequestValidator(TOKEN).compute_signature(URL, {})
    assert check({HEADER: plain}, URL, [], body) == "the body is not what was signed"


def test_signatures_with_a_shared_key() -> None:
    computed = RequestValidator("shared").compute_signature(URL, library_fields(FORM), "HMAC_SHA256")
    assert check({HEADER: computed, **SHA256}) is None
    assert check({HEADER: computed}) == "the signature is wrong"
    with_token = RequestValidator(TOKEN).compute_signature(URL, library_fields(FORM), "HMAC_SHA256")
    assert check({HEADER: with_token, **SHA256}) == "the signature is wrong"
    no_key = why_not_signed(Secrets(TOKEN), {HEADER: with_token, **SHA256}, URL, FORM)
    assert no_key == "there is no key for signatures with HMAC_SHA256"


def test_nobody_signs_with_an_empty_key() -> None:
    by_algorithm = {"HMAC_SHA1": {}, "HMAC_SHA256": SHA256}
    for algorithm, named in by_algorithm.items():
        computed = RequestValidator("").compute_signature(URL, library_fields(FORM), algorithm)
        why = why_not_signed(Secrets("", ""), {HEADER: computed, **named}, URL, FORM)
        assert why == f"there is no key for signatures with {algorithm}"


@pytest.mark.parametrize("headers", [{}, {HEADER: ""}, {HEADER: "é"}, {HEADER: "x", SETTINGS_HEADER: "algorithm=MD5"}])
def test_what_is_no_signature(headers: dict[str, str]) -> None:
    assert check(headers) is not None


def test_the_secrets_are_not_shown() -> None:
    assert "12345" not in repr(SECRETS)
    assert "shared'" not in repr(SECRETS)
