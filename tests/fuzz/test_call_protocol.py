"""Whatever a client sends over a real WebSocket: an answer or a documented close code, and the next call works."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.front.hosting import Running, installed, running
from tests.fuzz.frames import broken, messages
from tests.fuzz.profile import inputs
from tests.fuzz.protocol import CLOSE_CODES, Conformance
from tests.fuzz.raw import BINARY, CLOSE, TEXT, RawClient, frame, upgrade
from tests.sample_plugins import HELLO
from tests.simulators.serving import LOGGER as SIMULATORS

END = frame(TEXT, b'{"type":"ping"}')


@dataclass
class Hosted:
    """A running host, the loop it runs on, and everything that went wrong inside."""

    runner: asyncio.Runner
    running: Running
    trouble: list[str] = field(default_factory=list)

    async def call(self, frames: bytes, *, query: str = "", head: bytes = b"") -> tuple[int | None, str | None]:
        """Make a call, send all of it, and read on until the `pong` that the last message asks for, or the end.

        Args:
            frames: what is sent once the call has been taken.
            query: of the address.
            head: what is sent along with the request, before it is answered.

        Returns:
            The close code, if the host closed the call, and the resume token.
        """
        client = await RawClient.connect(self.running.address)
        try:
            await client.write(upgrade(f"/agents/hello/session{query}") + head)
            answer = await client.answer()
            if answer.status != 101:
                return answer.status, None
            await client.write(frames + END)
            seen = Conformance()
            token = None
            while (came := await client.frame()) is not None:
                opcode, payload = came
                if opcode == BINARY:
                    seen.audio(payload)
                elif opcode == TEXT:
                    message = json.loads(payload)
                    seen.message(message)
                    token = message.get("resume_token", token)
                    if message["type"] == "pong":
                        return None, token
                elif opcode == CLOSE:
                    return int.from_bytes(payload[:2]) if payload else 1005, token
            return None, token
        finally:
            await client.close()

    async def settled(self) -> None:
        """Wait until the host has noticed that its callers are gone, and look for what they left behind."""
        async with asyncio.timeout(15):
            while self.running.agents.connected:  # noqa: ASYNC110 (the host tells nobody)
                await asyncio.sleep(0.005)
        trouble, self.trouble[:] = self.trouble[:], []
        assert not trouble


class _Errors(logging.Handler):
    def __init__(self, trouble: list[str]) -> None:
        super().__init__(logging.ERROR)
        self._trouble = trouble

    def emit(self, record: logging.LogRecord) -> None:
        # A call may end while it connects to a speech service, and a simulator of one logs that as an error.
        if record.name != SIMULATORS:
            self._trouble.append(record.getMessage())


@pytest.fixture(scope="module")
def hosted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hosted]:
    folder = tmp_path_factory.mktemp("hosted")
    with asyncio.Runner() as runner, installed(folder) as plugins:
        plugins.install("hello", HELLO)
        stack = AsyncExitStack()
        made = Hosted(runner, runner.run(stack.enter_async_context(running(folder, allow="hello"))))
        handler = _Errors(made.trouble)
        logging.getLogger().addHandler(handler)
        runner.get_loop().set_exception_handler(lambda _, context: made.trouble.append(repr(context)))
        yield made
        logging.getLogger().removeHandler(handler)
        runner.run(stack.aclose())


@inputs(150)
@given(sent=st.lists(st.one_of(messages, messages, messages, broken), max_size=12), comes_back=st.booleans())
def test_frames(hosted: Hosted, sent: list[bytes], comes_back: bool) -> None:
    async def call() -> None:
        code, token = await hosted.call(b"".join(sent))
        # A client that closes gets its own code back.
        assert code is None or code in CLOSE_CODES or code == 1005 or code.to_bytes(2) in b"".join(sent)
        if comes_back and token is not None:
            again, _ = await hosted.call(b"", query=f"?resume={token}")
            assert again in (None, 4401)
        await hosted.settled()

    hosted.runner.run(call())


@inputs(60)
@given(head=st.one_of(messages, broken), query=st.text(st.characters(codec="ascii", min_codepoint=33), max_size=30))
@example(head=frame(TEXT, b"x", masked=False), query="")
@example(head=frame(CLOSE, b"\x03\xe8"), query="resume=%FF")
@example(head=frame(CLOSE, b""), query="")
@example(head=b"", query="resume=" + "a" * 7000)
def test_what_comes_with_the_request(hosted: Hosted, head: bytes, query: str) -> None:
    async def call() -> None:
        code, _ = await hosted.call(b"", query=f"?{query}".replace("#", ""), head=head)
        # A client that closes gets its own code back, or none if it gave none (1005).
        assert code is None or code in CLOSE_CODES or code in (400, 1005) or code.to_bytes(2) in head
        await hosted.settled()

    hosted.runner.run(call())


def test_the_call_after_all_of_them_works(hosted: Hosted) -> None:
    assert hosted.runner.run(hosted.call(b""))[0] is None
    hosted.runner.run(hosted.settled())
    tasks = asyncio.all_tasks(hosted.runner.get_loop())
    assert [task.get_name() for task in tasks if _of_a_call(task)] == []


def _of_a_call(task: asyncio.Task[Any]) -> bool:
    code = getattr(task.get_coro(), "cr_code", None)
    return code is not None and "/voice_host/call/" in code.co_filename
