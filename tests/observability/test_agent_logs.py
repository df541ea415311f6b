"""The latest log lines about each agent, in the front's memory."""

from __future__ import annotations

import asyncio
import json
import threading
from contextlib import aclosing

import pytest

from tests.test_logs import written_log
from voice_host.observability import agent_logs
from voice_host.observability.agent_logs import MAX_CHARS, MAX_FOLLOWERS, MAX_LINES, AgentLogs, TooManyFollowers
from voice_host.observability.logs import configure_logging, get_logger


def kept_by(*agent_ids: str) -> AgentLogs:
    logs = AgentLogs()
    logs.open(agent_ids)
    return logs


def add(logs: AgentLogs, agent_id: str, number: int, text: str = "") -> None:
    logs(None, "", {"event": "line", "agent_id": agent_id, "number": number, "text": text})


def numbers(lines: list[str]) -> list[int]:
    return [json.loads(line)["number"] for line in lines]


def test_the_latest_lines_of_an_agent_are_kept() -> None:
    logs = kept_by("desk", "shop")
    for number in range(MAX_LINES + 10):
        add(logs, "desk", number)
    add(logs, "shop", 1)
    assert numbers(logs.latest("desk", MAX_LINES * 2)) == list(range(10, MAX_LINES + 10))
    assert numbers(logs.latest("desk", 2)) == [MAX_LINES + 8, MAX_LINES + 9]
    assert logs.latest("desk", 0) == []
    assert numbers(logs.latest("shop", 5)) == [1]


def test_long_lines_take_no_more_than_their_share_of_memory() -> None:
    logs = kept_by("desk")
    for number in range(300):
        add(logs, "desk", number, "x" * 10_000)
    lines = logs.latest("desk", 1000)
    assert sum(map(len, lines)) <= MAX_CHARS
    assert numbers(lines)[-1] == 299


def test_lines_about_agents_that_callers_make_up_are_not_kept() -> None:
    logs = kept_by("desk")
    add(logs, "made-up", 1)
    assert logs.latest("made-up", 5) == []


def test_what_is_kept_is_what_is_logged(capsys: pytest.CaptureFixture[str]) -> None:
    logs = kept_by("desk")
    configure_logging("text", "info", secrets=["s3cret"], kept=logs)
    log = get_logger("voice_host.test")
    log.info("told", agent_id="desk", text="\x1b[31m s3cret")
    log.debug("not_told", agent_id="desk")
    log.info("of_no_agent")
    [line] = map(json.loads, logs.latest("desk", 10))
    assert line.pop("timestamp")
    assert line == {"event": "told", "level": "info", "agent_id": "desk", "text": r"\x1b[31m ********"}
    assert "told" in written_log(capsys)


async def test_lines_are_followed_as_they_come_from_any_thread() -> None:
    logs = kept_by("desk")
    for number in range(5):
        add(logs, "desk", number)
    found: list[int] = []
    async with aclosing(logs.follow("desk", 2, every_s=60)) as lines:
        async for more in lines:
            found += numbers(more)
            if found[-1] == 4:
                threading.Thread(target=add, args=(logs, "desk", 5)).start()
            else:
                logs.close()
    assert found == [3, 4, 5]


async def test_a_follower_that_is_too_slow_learns_how_many_lines_it_has_missed() -> None:
    logs = kept_by("desk")
    add(logs, "desk", -1)
    async with aclosing(logs.follow("desk", 10, every_s=60)) as lines:
        assert numbers(await anext(lines)) == [-1]
        for number in range(MAX_LINES + 3):
            add(logs, "desk", number)
        note, *found = await anext(lines)
    assert json.loads(note) == {"event": "log_lines_skipped", "level": "warning", "lines": 3}
    assert numbers(found) == list(range(3, MAX_LINES + 3))


async def test_a_follower_hears_something_when_there_are_no_lines() -> None:
    async with aclosing(kept_by("desk").follow("desk", 10, every_s=0.001)) as lines:
        assert [await anext(lines) for _ in range(3)] == [[], [], []]


async def test_there_are_not_too_many_followers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agent_logs, "MAX_FOLLOWERS", 1)
    assert MAX_FOLLOWERS > 1
    logs = kept_by("desk")
    add(logs, "desk", 1)
    async with aclosing(logs.follow("desk", 10, every_s=60)) as first:
        await anext(first)
        with pytest.raises(TooManyFollowers):
            await anext(logs.follow("desk", 10, every_s=60))
    async with aclosing(logs.follow("desk", 10, every_s=60)) as after:
        assert numbers(await anext(after)) == [1]


async def test_closing_ends_a_follower_that_waits() -> None:
    logs = kept_by("desk")
    async with asyncio.timeout(30), aclosing(logs.follow("desk", 10, every_s=600)) as lines:
        asyncio.get_running_loop().call_soon(logs.close)
        assert [each async for each in lines] == [[]]
