"""What worker processes log and print, on its way into the front's log. With real pipes and processes."""

from __future__ import annotations

import asyncio
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import aclosing
from typing import Any

import pytest
from prometheus_client import REGISTRY

from voice_host.observability.agent_logs import AgentLogs
from voice_host.observability.logs import configure_logging
from voice_host.observability.printable import MAX_CHARS
from voice_host.supervisor import output
from voice_host.supervisor.output import BURST_LINES, LAST_LINES, LineLimit, WorkerOutput, log_fields

WHO: dict[str, str | int] = {"agent_id": "desk", "release": "1.0", "worker": 1}


@pytest.fixture(autouse=True)
def logs() -> Iterator[AgentLogs]:
    """What is logged about the agents `desk` and `shop`."""
    kept = AgentLogs()
    kept.open(("desk", "shop"))
    configure_logging("json", "info", secrets=["s3cret-4711"], kept=kept, stream=io.StringIO())
    yield kept
    configure_logging("text", "warning")


def lines(logs: AgentLogs, agent_id: str = "desk") -> list[dict[str, Any]]:
    return [json.loads(line) for line in logs.latest(agent_id, 100_000)]


async def logged_lines(logs: AgentLogs, agent_id: str, count: int) -> None:
    """Wait until there are so many lines about an agent."""
    found = 0
    async with asyncio.timeout(60), aclosing(logs.follow(agent_id, count, every_s=60)) as following:
        async for more in following:
            found += len(more)
            if found >= count:
                return


class Written:
    """The pipes of a worker, which this process writes to itself or gives to a program."""

    def __init__(
        self, limit: LineLimit | None = None, on_stderr: Callable[[str], None] = lambda line: None, **who: str | int
    ) -> None:
        stdout, self.stdout = os.pipe()
        stderr, self.stderr = os.pipe()
        limit = limit or LineLimit(str((WHO | who)["agent_id"]))
        self.output = WorkerOutput(stdout, stderr, WHO | who, limit, on_stderr)

    def start(self, program: str) -> subprocess.Popen[bytes]:
        """Start a Python program that has the pipes, alone."""
        process = subprocess.Popen([sys.executable, "-c", program], stdout=self.stdout, stderr=self.stderr)
        self.close()
        return process

    def close(self) -> None:
        os.close(self.stdout)
        os.close(self.stderr)


def logged(**fields: Any) -> bytes:
    return json.dumps({"event": "told", "level": "info", "timestamp": "2026-01-02T03:04:05.678901Z"} | fields).encode()


async def test_a_line_of_the_workers_log_is_one_of_the_hosts(logs: AgentLogs) -> None:
    written = Written()
    os.write(written.stderr, logged(level="error", session_id="s", count=3) + b"\n")
    await logged_lines(logs, "desk", 1)
    assert lines(logs) == [
        {
            "event": "told",
            "level": "error",
            "timestamp": "2026-01-02T03:04:05.678901Z",
            "session_id": "s",
            "count": 3,
            **WHO,
        }
    ]
    written.close()
    written.output.finish()


async def test_a_worker_cannot_claim_to_be_another(logs: AgentLogs) -> None:
    written = Written()
    os.write(written.stderr, logged(agent_id="shop", release="9", worker=7) + b"\n")
    written.close()
    written.output.finish()
    assert [{name: line[name] for name in WHO} for line in lines(logs)] == [WHO]
    assert lines(logs, "shop") == []


async def test_what_is_printed_is_logged_with_the_secrets_taken_out(logs: AgentLogs) -> None:
    written = Written()
    os.write(written.stdout, b"a \x1b[31ms3cret-4711\n\n" + logged() + b"\n")
    os.write(written.stderr, b"\xff oh\r\nunfinished")
    written.close()
    written.output.finish()
    found = [(line["event"], line["level"], line["stream"], line["text"]) for line in lines(logs)]
    assert found == [
        ("printed", "info", "stdout", r"a \x1b[31m********"),
        ("printed", "info", "stdout", logged().decode()),  # the log is on stderr
        ("printed", "warning", "stderr", "\ufffd oh"),
        ("printed", "warning", "stderr", "unfinished"),
    ]


@pytest.mark.parametrize(
    "line",
    [
        b"{",
        b"[" * 5000,
        b'{"a":' * 5000,
        b"{}",
        b'{"event": 1, "level": "info"}',
        b'{"event": "x"}',
        b'{"event": "x", "level": "info", "n": ' + b"1" * 5000 + b"}",
    ],
)
def test_a_line_that_is_none_of_a_log_is_printed_text(line: bytes) -> None:
    assert log_fields(line) is None


async def test_odd_fields_are_made_safe(logs: AgentLogs) -> None:
    written = Written()
    odd = {"level": "loud", "timestamp": "now", "exc_info": True, "_record": 1, "\x1b": {"k" * 9000: ["\u202e"]}}
    os.write(written.stderr, logged(**odd) + b"\n")
    written.close()
    written.output.finish()
    [line] = lines(logs)
    assert (line["event"], line["level"]) == ("told", "info")
    assert line["timestamp"] != "now"
    assert {"exc_info", "_record", "exception"} & line.keys() == set()
    assert "\x1b" not in str(line)
    assert "\u202e" not in str(line)


async def test_a_text_that_the_worker_has_cut_is_not_cut_again(logs: AgentLogs) -> None:
    written = Written()
    text = "x" * MAX_CHARS + "... (5000 more characters)"
    os.write(written.stderr, logged(text=text) + b"\n")
    written.close()
    written.output.finish()
    assert lines(logs)[0]["text"] == text


async def test_a_line_without_end_is_cut(logs: AgentLogs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(output, "MAX_LINE_BYTES", 1000)
    written = Written()
    process = written.start("import sys; [sys.stdout.write('x' * 5000) for _ in range(100)]; print(); print('after')")
    await asyncio.to_thread(process.wait)
    written.output.finish()
    first, second = (line["text"] for line in lines(logs))
    assert first == "x" * 1000
    assert second == "after"


async def test_the_stack_trace_of_a_crash_is_logged(logs: AgentLogs) -> None:
    written = Written()
    process = written.start("import ctypes, faulthandler; faulthandler.enable(); print('last'); ctypes.string_at(0)")
    await asyncio.to_thread(process.wait)
    written.output.finish()
    texts = [line["text"] for line in lines(logs)]
    assert "Fatal Python error: Segmentation fault" in texts
    assert any('File "<string>", line 1 in <module>' in text for text in texts)
    assert {line["agent_id"] for line in lines(logs)} == {"desk"}


def dropped(agent_id: str) -> float:
    return REGISTRY.get_sample_value("voice_host_log_lines_dropped_total", {"agent": agent_id}) or 0.0


FLOOD = """
import os
line = b"x" * 99 + b"\\n"
for _ in range(100):
    os.write(2, line * 500)
"""


async def test_a_flood_of_one_agent_hides_no_line_of_another_and_is_counted(logs: AgentLogs) -> None:
    before = dropped("desk")
    flooding, other = Written(), Written(agent_id="shop")
    process = flooding.start(FLOOD)
    ended = asyncio.ensure_future(asyncio.to_thread(process.wait))
    told = 0
    while not ended.done() and told < 500:  # the event loop goes on meanwhile
        os.write(other.stdout, b"%d\n" % told)
        told += 1
        await logged_lines(logs, "shop", told)
    await ended
    flooding.output.finish()
    assert [line["text"] for line in lines(logs, "shop")] == [str(number) for number in range(told)]
    reported = sum(line["lines"] for line in lines(logs) if line["event"] == "log_lines_dropped")
    assert reported == dropped("desk") - before
    assert 50_000 - reported >= BURST_LINES
    assert reported > 20_000
    assert len([line for line in lines(logs) if line["event"] == "printed"]) >= LAST_LINES
    other.close()
    other.output.finish()


async def test_the_last_lines_before_a_crash_are_logged_whatever_came_before(
    logs: AgentLogs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(output, "LINES_PER_S", 0)
    before = dropped("desk")
    found: list[str] = []
    written = Written(on_stderr=found.append)
    process = written.start(f"import ctypes, faulthandler{FLOOD}faulthandler.enable(); ctypes.string_at(0)")
    await asyncio.to_thread(process.wait)
    written.output.finish()
    texts = [line["text"] for line in lines(logs) if line["event"] == "printed"]
    assert "Fatal Python error: Segmentation fault" in texts
    assert texts[-1] == found[-1]
    after = len(found) - found.index("Fatal Python error: Segmentation fault")
    assert found[-after:] == texts[-after:]
    assert BURST_LINES + LAST_LINES - 5 <= len(found) <= BURST_LINES + LAST_LINES  # blank lines are left out
    assert 50_000 < dropped("desk") - before + BURST_LINES + LAST_LINES < 50_100


async def test_processes_that_a_worker_left_behind_do_not_keep_its_pipes_open(logs: AgentLogs) -> None:
    """Neither by holding the other end, nor by writing on."""
    written = Written()
    os.write(written.stdout, b"before\n")
    written.output.finish()
    with pytest.raises(BrokenPipeError):
        os.write(written.stdout, b"after\n")
    assert [line["text"] for line in lines(logs)] == ["before"]
    written.close()


async def test_workers_of_an_agent_share_its_limit(logs: AgentLogs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(output, "BURST_LINES", 10)
    monkeypatch.setattr(output, "LINES_PER_S", 0)
    monkeypatch.setattr(output, "LAST_LINES", 0)
    limit = LineLimit("desk")
    workers = [Written(limit, worker=number) for number in (1, 2)]
    for worker in workers:
        os.write(worker.stdout, b"line\n" * 8)
        worker.close()
        worker.output.finish()
    counted = [line["worker"] for line in lines(logs) if line["event"] == "printed"]
    assert (counted.count(1), counted.count(2)) == (8, 2)
    assert [line["lines"] for line in lines(logs) if line["event"] == "log_lines_dropped"] == [6]
