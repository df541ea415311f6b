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
        pytest.param("https://localhost", "localhost:443", True, id="25-14"),
        ("http://localhost", "localhost:80", True),
        ("https://localhost:443", "localhost", True),
        ("https://[::1]", "[::1]:443", True),
        # The default of the other scheme goes not without saying.
        ("http://localhost", "localhost:443", False),
        ("https://localhost", "localhost:80", False),
        ("https://localhost", "localhost:8443", False),
        ("https://localhost:8443", "localhost:443", False),
    ],
)
def test_a_page_of_the_hosts_own_may_call(origin: str | None, host: str, allowed: bool) -> None:
    assert origin_allowed(origin, host) is allowed


@pytest.mark.parametrize("rule", ["https://www.example.com", "https://www.example.com:443"])
@pytest.mark.parametrize("origin", ["https://www.example.com", "https://www.example.com:443"])
def test_a_default_port_of_a_named_site_makes_no_difference(rule: str, origin: str) -> None:
    assert origin_allowed(origin, "voice.example", [rule])
    assert not origin_allowed(origin.replace("https", "http"), "voice.example", [rule])
