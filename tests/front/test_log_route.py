"""`GET /agents/{id}/logs`."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest
import pytest_asyncio

from tests.front.hosting import installed, running
from tests.front.test_authorization import HELLO, TOML, bearer, key_for
from voice_host.front import log_route
from voice_host.observability import agent_logs
from voice_host.observability.agent_logs import AgentLogs


def add(logs: AgentLogs, number: int, agent_id: str = "hello") -> None:
    logs(None, "", {"event": "line", "agent_id": agent_id, "number": number})


class Reading:
    """A host, its lines, and a client with the scope `logs`."""

    def __init__(self, http: httpx2.AsyncClient, logs: AgentLogs, key: str) -> None:
        self.http = http
        self.logs = logs
        self.key = key

    async def get(self, query: str = "", agent_id: str = "hello") -> httpx2.Response:
        return await self.http.get(f"/agents/{agent_id}/logs{query}", headers=bearer(self.key))


@pytest_asyncio.fixture
async def reading(tmp_path: Path) -> AsyncIterator[Reading]:
    logs = AgentLogs()
    logs.open(["hello", "other"])
    key = key_for(tmp_path, "logs", agents=("hello", "gone"))
    with installed(tmp_path) as plugins:
        plugins.install("hello", HELLO)
        plugins.install("other", HELLO)
        async with (
            running(tmp_path, TOML, allow="hello,other", logs=logs) as r,
            httpx2.AsyncClient(base_url=f"http://{r.address}", timeout=30) as http,
        ):
            yield Reading(http, logs, key)


def numbers(text: str) -> list[int]:
    return [json.loads(line)["number"] for line in text.splitlines() if line]


async def test_the_latest_lines_of_one_agent(reading: Reading) -> None:
    for number in range(200):
        add(reading.logs, number)
        add(reading.logs, -number, "other")
    answer = await reading.get()
    assert answer.headers["content-type"].startswith("application/x-ndjson")
    assert numbers(answer.text) == list(range(100, 200))
    assert numbers((await reading.get("?lines=3")).text) == [197, 198, 199]
    assert (await reading.get("?lines=0")).text == ""


async def test_a_key_for_other_agents_reads_nothing(reading: Reading) -> None:
    assert (await reading.get(agent_id="other")).status_code == 403
    assert (await reading.get(agent_id="gone")).status_code == 404


@pytest.mark.parametrize("query", ["?lines=-1", "?lines=1001", "?lines=many", "?lines=١", "?follow=perhaps"])
async def test_what_is_asked_for_must_make_sense(reading: Reading, query: str) -> None:
    answer = await reading.get(query)
    assert answer.status_code == 422
    assert "must be" in answer.json()["detail"]


async def test_lines_are_streamed_until_the_host_stops(reading: Reading, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_route, "HEARTBEAT_S", 0.01)
    add(reading.logs, 1)
    url = "/agents/hello/logs?follow=true"
    found: list[int] = []
    async with reading.http.stream("GET", url, headers=bearer(reading.key)) as answer:
        silences = 0
        async for line in answer.aiter_lines():
            if line:
                found += numbers(line)
                continue
            silences += 1
            if silences == 1:
                add(reading.logs, 2)
            elif found == [1, 2]:
                reading.logs.close()
    assert found == [1, 2]
    assert silences >= 2


async def test_not_everybody_follows_at_once(reading: Reading, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agent_logs, "MAX_FOLLOWERS", 0)
    assert (await reading.get("?follow=true")).status_code == 429
    assert (await reading.get()).status_code == 200
