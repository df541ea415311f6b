"""The real host for clients that were written for OpenAI, with a greeting that is long enough to be talked over."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest

from tests.front.test_authorization import bearer, key_for
from tests.real_host import real_host
from voice_host.caller.wav import read_wav

RECORDING = Path(__file__).parents[1] / "data" / "whats_the_weather_like.wav"

RESTAURANT = "The Copper Spoon, by the river, under the old bridge, with a garden, a terrace, and a view of the harbour"

GREETING = f"Hello, this is {RESTAURANT}. How can I help you?"

TOML = f"""
[auth]
keys_file = "keys.json"
[agent.front-desk.settings]
restaurant_name = "{RESTAURANT}"
"""


@dataclass(frozen=True)
class Host:
    """The real host, and a key for it.

    Attributes:
        address: `127.0.0.1:port`.
        log: what it has logged goes there.
    """

    address: str
    key: str
    log: Path

    def client_secret(self) -> str:
        """Return a new one for the example agent."""
        body = {"session": {"type": "realtime", "model": "front-desk"}}
        answer = httpx2.post(f"http://{self.address}/v1/realtime/client_secrets", headers=bearer(self.key), json=body)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["value"])


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Run these tests in real time, as the host does."""
    return {"loop": asyncio.SelectorEventLoop}


@pytest.fixture(scope="package")
def host(tmp_path_factory: pytest.TempPathFactory, embedded_speech: None) -> Iterator[Host]:
    """The real host with the example agent."""
    folder = tmp_path_factory.mktemp("host")
    key = key_for(folder, "calls", "tokens")
    with real_host(folder, TOML) as url:
        yield Host(url.removeprefix("http://"), key, folder / "host.log")


@pytest.fixture(scope="package")
def speech(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with a recorded question, as PCM16 at 24 kHz."""
    path = tmp_path_factory.mktemp("speech") / "question.pcm"
    path.write_bytes(read_wav(RECORDING).at(24_000))
    return path
