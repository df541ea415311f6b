"""Which origins may call, down to those that no browser sends."""

import pytest

from voice_host.auth.origins import origin_allowed


@pytest.mark.parametrize(
    ("origin", "host", "allowed"),
    [
        (None, "[", True),
        ("http://voice.example", "voice.example", True),
        ("HTTPS://Voice.example", "voice.EXAMPLE", True),
        ("http://[::1]:8000", "[::1]:8000", True),
        ("ftp://voice.example", "voice.example", False),
        ("http://other.example", "voice.example", False),
        ("null", "voice.example", False),
        ("", "", False),
        ("http://", "", False),
        # Python's own reading of addresses fails on these.
        ("http://[", "[", True),
        ("http://[]:80", "[]:80", True),
        ("x://[", "[", False),
    ],
)
def test_a_page_of_the_hosts_own_may_call(origin: str | None, host: str, allowed: bool) -> None:
    assert origin_allowed(origin, host) is allowed
