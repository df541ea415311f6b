"""A call whose connection is lost is resumed, with a scripted host at the other end."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from websockets.asyncio.server import ServerConnection, serve

from voice_host.caller.client import CallerClient, place_call
from voice_host.caller.coming_back import COME_BACK_WITHIN_S, is_lost, waits_s, with_token, worth_another_try
from voice_host.caller.line import CallFailed


@dataclass(eq=False)
class Host:
    """Answers each connection with the next of `parts`."""

    parts: list[Callable[[Host, ServerConnection], Awaitable[None]]]
    url: str = ""
    tokens: list[str | None] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)

    async def answer(self, ws: ServerConnection) -> None:
        assert ws.request is not None
        self.tokens.append(parse_qs(urlsplit(ws.request.path).query).get("resume", [None])[0])
        await self.parts[len(self.tokens) - 1](self, ws)

    async def ready(self, ws: ServerConnection) -> None:
        number = len(self.tokens)
        rates = {"sample_rate": 16000, "tts_sample_rate": 24000}
        ids = {"session_id": "s", "agent": "desk", "resume_token": f"s.{number}", "resumed": number > 1}
        await send(ws, {"type": "ready", **rates, **ids})

    async def hear(self, ws: ServerConnection) -> None:
        """Wait for a typed turn, and announce it."""
        text = json.loads(await ws.recv())["text"]
        self.texts.append(text)
        await send(ws, {"type": "turn", "text": text})


async def send(ws: ServerConnection, message: dict[str, Any]) -> None:
    await ws.send(json.dumps(message))


async def reply(ws: ServerConnection, text: str) -> None:
    await send(ws, {"type": "thinking"})
    await send(ws, {"type": "chat", "reply": 1, "text": text})
    await send(ws, {"type": "tts_done", "reply": 1})


@asynccontextmanager
async def host(*parts: Callable[[Host, ServerConnection], Awaitable[None]]) -> AsyncIterator[Host]:
    made = Host(list(parts))
    async with serve(made.answer, "127.0.0.1", 0, subprotocols=["voice-host.v1"]) as server:  # type: ignore[list-item]
        made.url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/session?name=Ada"
        yield made


async def ask(client: CallerClient) -> None:
    await client.wait_until_ready()
    await client.type("When do you open?")


async def call(at: Host, seen: list[str], lost: list[str]) -> None:
    def note(message: dict[str, Any]) -> None:
        seen.append(message.get("text") or message["type"])

    await place_call(at.url, ask, note, lost.append)


# --- what the host does with a connection -----------------------------------------------------------------------------


async def restarts_before_the_answer(self: Host, ws: ServerConnection) -> None:
    await self.ready(ws)
    await self.hear(ws)
    await ws.close(1012, "the agent was restarted: connect again")


async def breaks_before_the_turn(self: Host, ws: ServerConnection) -> None:
    await self.ready(ws)
    await ws.recv()
    ws.transport.abort()


async def answers_what_was_asked(self: Host, ws: ServerConnection) -> None:
    await self.ready(ws)
    await reply(ws, "At nine.")
    await ws.wait_closed()


async def says_nothing_more(self: Host, ws: ServerConnection) -> None:
    await self.ready(ws)
    await ws.wait_closed()


async def answers(self: Host, ws: ServerConnection) -> None:
    await self.ready(ws)
    await self.hear(ws)
    await reply(ws, "At nine.")
    await ws.wait_closed()


async def is_busy(self: Host, ws: ServerConnection) -> None:
    await ws.close(4500, "the previous connection is still being closed: try again")


async def knows_no_such_call(self: Host, ws: ServerConnection) -> None:
    await ws.close(4401, "there is no call to resume: call again without the resume token")


async def test_a_turn_is_answered_after_the_host_said_to_come_back() -> None:
    seen: list[str] = []
    lost: list[str] = []
    async with host(restarts_before_the_answer, is_busy, answers_what_was_asked) as at:
        await call(at, seen, lost)
    assert seen == ["ready", "When do you open?", "ready", "thinking", "At nine.", "tts_done"]
    assert lost == ["the host closed the call: the agent was restarted: connect again (1012)"]
    assert at.tokens == [None, "s.1", "s.1"]


async def test_a_turn_that_the_host_did_not_take_is_sent_again() -> None:
    seen: list[str] = []
    lost: list[str] = []
    async with host(breaks_before_the_turn, answers) as at:
        await call(at, seen, lost)
    assert seen[-2:] == ["At nine.", "tts_done"]
    assert at.texts == ["When do you open?"]
    assert lost == ["the connection was lost"]


async def test_a_turn_is_not_waited_for_that_is_not_answered_any_more() -> None:
    """Because a tool had begun for it."""
    async with host(restarts_before_the_answer, says_nothing_more) as at:
        await call(at, [], [])
    assert at.texts == ["When do you open?"]


async def test_a_call_that_cannot_be_resumed_fails() -> None:
    async with host(restarts_before_the_answer, knows_no_such_call) as at:
        with pytest.raises(CallFailed, match=r"there is no call to resume: .* \(4401\)") as failed:
            await call(at, [], [])
    assert failed.value.close_code == 4401


async def test_without_a_resume_token_a_lost_call_has_failed() -> None:
    async def gives_no_token(self: Host, ws: ServerConnection) -> None:
        await send(ws, {"type": "ready", "tts_sample_rate": 24000, "resume_token": None, "resumed": False})
        await ws.close(1012, "the agent was restarted: connect again")

    async with host(gives_no_token) as at:
        with pytest.raises(CallFailed, match="1012"):
            await call(at, [], [])
    assert at.tokens == [None]


async def test_which_ends_are_losses() -> None:
    assert [code for code in (None, 1000, 1001, 1006, 1011, 1012, 4401, 4504) if is_lost(code)] == [None, 1006, 1012]
    assert [code for code in (1012, 4401, 4404, 4429, 4500, 4503) if worth_another_try(code)] == [1012, 4429, 4500]


async def test_attempts_end_with_the_grace_period() -> None:
    waits = list(waits_s())
    assert waits[0] <= 0.5
    assert COME_BACK_WITHIN_S <= sum(waits) <= COME_BACK_WITHIN_S + 4
    assert len(waits) < 20


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("ws://host/session", "ws://host/session?resume=s.2"),
        ("ws://host/session?a=b%20c&resume=s.1", "ws://host/session?a=b%20c&resume=s.2"),
    ],
)
async def test_the_address_gets_the_token(url: str, expected: str) -> None:
    assert with_token(url, "s.2") == expected
