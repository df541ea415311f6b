"""Which numbers a host may call."""

from __future__ import annotations

from pathlib import Path

import pytest

from voice_host.phone.destinations import warnings_about, why_no_transfer, why_not_allowed
from voice_host.settings import SettingsError, load_settings
from voice_host.settings.phone import OutboundSettings

BERLIN = "+493012345678"
MOBILE = "+4915112345678"


@pytest.mark.parametrize("number", [BERLIN, MOBILE, "+498001234567"])
def test_a_pattern_allows_ordinary_numbers(number: str) -> None:
    assert why_not_allowed(number, ["+1212*", "+49*"]) is None


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        ("+33899123456", "premium-rate"),
        ("+19005551234", "premium-rate"),
        ("+491801234567", "shared-cost"),
        ("+447012345678", "personal number"),
        ("+49112", "known to be in use"),
        ("+15550100", "known to be in use"),
    ],
)
def test_a_pattern_does_not_allow_others(number: str, kind: str) -> None:
    why = why_not_allowed(number, ["+33*", "+1*", "+49*", "+44*"])
    assert why is not None
    assert kind in why
    assert "write the whole number into phone.outbound.allow" in why
    assert why_not_allowed(number, [number]) is None


@pytest.mark.parametrize(
    ("number", "allow"),
    [
        (BERLIN, []),
        (BERLIN, ["+1*", "+4930999*", MOBILE]),
        (BERLIN, ["+4*"]),  # the beginning of 40 countries' codes
        ("+881612345678", ["+88*"]),  # a satellite telephone; +880 is Bangladesh
    ],
)
def test_what_no_entry_names_is_not_allowed(number: str, allow: list[str]) -> None:
    assert "is not among the numbers that this host may call" in str(why_not_allowed(number, allow))


def test_a_number_without_a_country_is_not_allowed() -> None:
    assert why_not_allowed("+999123456", ["+999*"]) == "+999123456 begins with no country code"


def test_patterns_that_allow_more_or_less_than_they_seem_to() -> None:
    found = warnings_about(["+49*", "+4*", "+1*", "+1212*", "+8816*", BERLIN])
    assert [text.partition(" ")[0] for text in found] == ["+4*", "+1*"]
    assert "no whole country code" in found[0]
    assert "25 countries" in found[1]


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        ("*", "would allow every number in the world"),
        ("+*", "would allow every number in the world"),
        ("49*", "is neither a telephone number"),
        ("+49 30*", "is neither a telephone number"),
        ("+49*5", "is neither a telephone number"),
        ("030123", "is neither a telephone number"),
        ("+49?", "is neither a telephone number"),
    ],
)
def test_entries_that_are_no_numbers(tmp_path: Path, entry: str, problem: str) -> None:
    file = tmp_path / "voice-host.toml"
    file.write_text(f'[phone.outbound]\nallow = ["+49*", "{entry}"]\n', encoding="utf-8")
    with pytest.raises(SettingsError, match=problem):
        load_settings(file, {})


@pytest.mark.parametrize(
    "to", [BERLIN, "sip:desk@pbx.example.com", "sip:+1@PBX.example.com", "sip:a@b.org;transport=tls"]
)
def test_calls_may_be_transferred_to(to: str) -> None:
    assert why_no_transfer(to, ["+49*", "sip:*@pbx.example.com", "sip:a@b.org;transport=tls"]) is None


@pytest.mark.parametrize(
    ("to", "why"),
    [
        ("+491801234567", "a shared-cost number; to allow it all the same, write the whole number into phone.transfer"),
        ("+15550111", "is not among the numbers that this host may call: see phone.transfer.allow"),
        ("sip:desk@pbx.example.com.evil.org", "is not among the addresses"),
        ("sip:desk@pbxXexample.com", "is not among the addresses"),
        ("sip:desk@pbx.example.com;maddr=evil.org", "is not among the addresses"),
        ("sip:desk@evil.org;x@pbx.example.com", "is not among the addresses"),
        ("sip:pbx.example.com", "is not among the addresses"),
        ("sip:desk@pbx.example.com:5070", "is not among the addresses"),
        ("sip:b@b.org", "is not among the addresses"),
    ],
)
def test_calls_may_not_be_transferred_to(to: str, why: str) -> None:
    assert why in str(why_no_transfer(to, ["+49*", "sip:*@pbx.example.com", "sip:a@b.org"]))


def test_where_calls_may_be_transferred_to_as_settings(tmp_path: Path) -> None:
    listed = "+49*,sip:*@pbx.example.com,sips:desk@pbx.example.com:5061"
    settings = load_settings(None, {"VOICE_HOST_PHONE__TRANSFER__ALLOW": listed})
    assert settings.phone.transfer.allow == tuple(listed.split(","))
    for wrong in ("sip:*", "sip:*@*", "sip:", "SIP:*@pbx.example.com", "sip:*@pbx.example.com;maddr=a", "+*", "desk"):
        with pytest.raises(SettingsError, match=r"is neither|every number"):
            load_settings(None, {"VOICE_HOST_PHONE__TRANSFER__ALLOW": f"+49*,{wrong}"})


def test_as_a_variable(tmp_path: Path) -> None:
    settings = load_settings(None, {"VOICE_HOST_PHONE__OUTBOUND__ALLOW": f"+49*, {MOBILE}"})
    assert settings.phone.outbound.allow == ("+49*", MOBILE)


def test_calls_are_made_only_if_both_are_set() -> None:
    assert OutboundSettings(allow=("+49*",), max_attempts_per_hour=1).why_off is None
    assert OutboundSettings().why_off == (
        "this host makes no calls: phone.outbound.allow and phone.outbound.max_attempts_per_hour must be set"
    )
    assert "makes no calls: phone.outbound.max_attempts_per_hour must" in str(OutboundSettings(allow=("+49*",)).why_off)
