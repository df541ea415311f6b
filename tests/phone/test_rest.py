"""The REST API of a carrier."""

from __future__ import annotations

import subprocess
import sys

CODE = """
import sys
import voice_host.phone.service
assert "aiohttp" not in sys.modules, "a host without telephone numbers pays for it"
voice_host.phone.rest.RestApi("Carrier", "https://example.com", str)
assert "aiohttp" in sys.modules, "importing it with the first request blocks the event loop for half a second"
"""


def test_the_http_client_is_imported_at_the_start_of_hosts_that_need_it() -> None:
    subprocess.run([sys.executable, "-c", CODE], check=True)
