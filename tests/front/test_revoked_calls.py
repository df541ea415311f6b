"""Calls of keys that were revoked with `--end-calls`, when that does not go smoothly."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.calls.client import calling
from tests.front.hosting import Running, installed, running
from tests.front.test_authorization import TOML, bearer, key_for
from voice_host.auth import key_ring
from voice_host.auth.key_file import KeyFile
from voice_host.auth.key_ring import KeyRing
from voice_host.front import run
from voice_host.front.run import ending_revoked_calls

SLOW_START = """
import asyncio
from voice_host_sdk import AgentConfig, LifecycleCallbacks, hookimpl

begun, go = asyncio.Event(), asyncio.Event()

class Callbacks(LifecycleCallbacks):
    async def on_session_starting(self, session, config):
        begun.set()
        await go.wait()
        return config

@hookimpl
def agent_config(settings):
    return AgentConfig()

@hookimpl
def lifecycle_callbacks(settings):
    return Callbacks()
"""


@asynccontextmanager
async def slow_host(folder: Path, keys: KeyRing) -> AsyncIterator[tuple[Running, Any]]:
    """A host, and the module of its agent, which begins a call when `go` is set."""
    with installed(folder) as plugins:
        module = plugins.install("slow", SLOW_START)
        async with running(folder, TOML, allow="slow") as r, ending_revoked_calls(keys, r.agents):
            yield r, sys.modules[module]


@pytest.fixture(autouse=True)
def looking_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_ring, "RECHECK_S", 0.0)
    monkeypatch.setattr(run, "RECHECK_S", 0.02)


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not holds():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_a_call_that_was_let_in_before_and_begins_after_the_revocation_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = key_for(tmp_path, "calls")
    keys, looks = watched(KeyRing(tmp_path / "keys.json"), monkeypatch)
    async with (
        slow_host(tmp_path, keys) as (r, agent),
        calling(r.session("slow"), additional_headers=bearer(key)) as caller,
    ):
        await agent.begun.wait()
        KeyFile(tmp_path / "keys.json").revoke(key.split("_")[1], end_calls=True)
        await until(lambda: len(looks) > 1 and bool(looks[-2]))  # it was noticed, and nothing could be ended yet
        agent.go.set()
        assert await caller.ended() == (4401, "the key was revoked")


async def test_a_look_that_fails_is_not_the_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key = key_for(tmp_path, "calls")
    keys, looks = watched(KeyRing(tmp_path / "keys.json"), monkeypatch, failures=2)
    async with slow_host(tmp_path, keys) as (r, agent):
        agent.go.set()
        await until(lambda: len(looks) > 0)
        async with calling(r.session("slow"), additional_headers=bearer(key)) as caller:
            await caller.expect("ready")
            KeyFile(tmp_path / "keys.json").revoke(key.split("_")[1], end_calls=True)
            assert await caller.ended() == (4401, "the key was revoked")


def watched(
    keys: KeyRing, monkeypatch: pytest.MonkeyPatch, *, failures: int = 0
) -> tuple[KeyRing, list[frozenset[str]]]:
    """Return the keys, and the list of what is found at each look; the first ones fail."""
    looks: list[frozenset[str]] = []
    look: Callable[[], Awaitable[Any]] = keys.calls_ended
    left = failures

    async def calls_ended() -> frozenset[str]:
        nonlocal left
        left -= 1
        if left >= 0:
            raise OSError("the disk failed")
        looks.append(await look())
        return looks[-1]

    monkeypatch.setattr(keys, "calls_ended", calls_ended)
    return keys, looks
