"""Nobody notices an upgrade: calls go on while releases are deployed and rolled back."""

from __future__ import annotations

import asyncio
import sys
from contextlib import AsyncExitStack
from itertools import pairwise
from pathlib import Path

import pytest

from tests.calls.client import TestCaller, calling
from tests.releases.hosts import DeployHost, deploying, desk
from tests.releases.wheels import make_wheel

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="workers are processes of Linux"),
    pytest.mark.real_time,
    pytest.mark.timeout(600),
]

CALLERS = 10

MS_PER_WORD = 30

OF_A_TURN = ("turn", "thinking", "tool_call", "tool_result", "reply_delta", "chat")

QUESTION = "What are your opening hours on Friday?"

GREETED = "from greetings import VERSION\nassert VERSION == {version!r}, VERSION"


def wheel(folder: Path, agent_id: str, release: str, *, greetings: str) -> Path:
    """Write the wheel of an agent that needs one version of a library."""
    requires = ("voice-host-sdk>=1,<2", f"greetings=={greetings}")
    code = desk(release, GREETED.format(version=greetings))
    return make_wheel(folder, agent_id, release, code, requires=requires)


def release_in(text: str) -> str:
    return text.partition("elease ")[2].split()[0].rstrip(".")


class Conversation:
    """A caller who asks again and again, and insists on whole answers, all of one release."""

    def __init__(self, caller: TestCaller) -> None:
        self._caller = caller
        self.answers = 0
        self.release = ""
        self.hanging_up = asyncio.Event()
        self._answered = asyncio.Event()

    async def begin(self) -> None:
        self.release = release_in((await self._caller.expect("greeting", timeout_s=60))["text"])
        await self._caller.expect("metrics", timeout_s=60)  # it was played to its end

    async def ask(self) -> None:
        caller, heard = self._caller, len(self._caller.audio)
        await caller.type(QUESTION)
        answer = await caller.expect("chat", count=self.answers + 1, timeout_s=60)
        await caller.expect("metrics", count=self.answers + 2, timeout_s=60)
        assert answer["text"] == f"Release {self.release} is open on Friday until nine."
        assert len(caller.audio) - heard > len(answer["text"].split()) * MS_PER_WORD * 24 * 2 * 0.8, (
            "the voice said it all"
        )
        assert caller.closed is None
        self.answers += 1
        answered, self._answered = self._answered, asyncio.Event()
        answered.set()

    async def goes_on(self) -> None:
        """Wait until it has got another whole answer, to a question that was not asked before."""
        for _ in range(2):
            await self._answered.wait()

    async def keep_asking(self) -> None:
        while not self.hanging_up.is_set():
            await self.ask()
        told = {frame["type"] for frame in self._caller.frames}
        assert told == {"ready", "greeting", "audio", "tts_done", "metrics", *OF_A_TURN}, "nobody is told anything"


class Callers:
    """Callers in mid-conversation, each until the end."""

    def __init__(self, host: DeployHost, stack: AsyncExitStack, tasks: asyncio.TaskGroup) -> None:
        self._host = host
        self._stack = stack
        self._tasks = tasks
        self.conversations: list[Conversation] = []

    async def add(self, count: int, address: str = "night-desk") -> list[str]:
        """Let some more call, and return the releases that they got."""
        calls = [await self._stack.enter_async_context(calling(self._host.address(address))) for _ in range(count)]
        new = [Conversation(call) for call in calls]
        await asyncio.gather(*(each.begin() for each in new))
        self.conversations += new
        for each in new:
            self._tasks.create_task(each.keep_asking())
        return [each.release for each in new]

    async def all_go_on(self) -> None:
        await asyncio.gather(*(each.goes_on() for each in self.conversations))

    def hang_up(self) -> None:
        for each in self.conversations:
            each.hanging_up.set()


async def arrive(host: DeployHost, address: str = "night-desk") -> str:
    """Call, ask one question, hang up, and return the release that answered."""
    async with calling(host.address(address)) as caller:
        conversation = Conversation(caller)
        await conversation.begin()
        await conversation.ask()
    return conversation.release


async def keep_arriving(host: DeployHost, came: list[str]) -> None:
    while True:
        came.append(await arrive(host))


async def test_nobody_notices_an_upgrade(tmp_path: Path, data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wheels = tmp_path / "wheels"
    for version in ("1.0", "2.0"):
        make_wheel(wheels, "greetings", version, f"VERSION = {version!r}", agents=(), requires=())
    monkeypatch.setenv("UV_FIND_LINKS", str(wheels))
    async with (
        deploying(tmp_path, data_dir / "cache", installed={"night-desk": desk("1.0")}) as host,
        AsyncExitStack() as stack,
        asyncio.TaskGroup() as tasks,
    ):
        await host.done("deploy", wheel(wheels, "day-desk", "3.0", greetings="1.0"))
        callers = Callers(host, stack, tasks)
        assert await callers.add(CALLERS) == ["1.0"] * CALLERS
        assert await callers.add(1, "day-desk") == ["3.0"]
        came: list[str] = []
        arriving = tasks.create_task(keep_arriving(host, came))

        await host.done("deploy", wheel(wheels, "night-desk", "1.1", greetings="2.0"))
        assert await callers.add(2) == ["1.1", "1.1"], "a new caller gets the new release"
        assert await arrive(host, "night-desk@1.1") == "1.1"
        await callers.all_go_on()

        await host.done("rollback", "night-desk")
        assert await callers.add(1) == ["1.0"]
        await callers.all_go_on()

        broken = await host.run("deploy", make_wheel(wheels, "night-desk", "1.2", "raise OSError('no database')"))
        assert broken.code == 1
        assert "agent night-desk is broken, it was not imported" in broken.err
        assert "OSError: no database (night_desk/__init__.py:1)" in broken.err
        assert "nothing has changed" in broken.err
        assert await arrive(host) == "1.0"
        await callers.all_go_on()

        arriving.cancel()
        callers.hang_up()
    assert set(came) == {"1.0", "1.1"}
    changes = [after for before, after in pairwise(came) if before != after]
    assert changes == ["1.1", "1.0"], came
    for word in ("Traceback", "worker_ended", "call_error"):
        assert word not in host.process.output
