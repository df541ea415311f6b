"""Sharing threads among clients."""

from __future__ import annotations

import asyncio

import pytest

from voice_host.speech.embedded.process.fair_turns import FairTurns, QueueFull


class Clients:
    """Clients that take turns; `got` lists who got one, in order."""

    def __init__(self, turns: FairTurns) -> None:
        self.turns = turns
        self.got: list[str] = []

    async def want(self, client: str) -> asyncio.Task[None]:
        async def take() -> None:
            await self.turns.take(client)
            self.got.append(client)

        task = asyncio.create_task(take())
        await settled()
        return task

    async def end(self, client: str) -> None:
        self.turns.give_back(client)
        await settled()


async def settled() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_one_client_leaves_a_turn_for_others() -> None:
    clients = Clients(FairTurns(at_once=3, most=2, waiting=10))
    for _ in range(5):
        await clients.want("greedy")
    assert clients.got == ["greedy"] * 2
    assert not clients.turns.free("greedy")
    await clients.want("other")
    assert clients.got == ["greedy", "greedy", "other"]


async def test_those_who_wait_get_turns_in_rotation() -> None:
    clients = Clients(FairTurns(at_once=1, most=1, waiting=10))
    for client in ("a", "a", "a", "a", "b", "b", "c"):
        await clients.want(client)
    while len(clients.got) < 7:
        await clients.end(clients.got[-1])
    assert clients.got == ["a", "a", "b", "c", "a", "b", "a"]


async def test_a_client_cannot_wait_for_any_number() -> None:
    clients = Clients(FairTurns(at_once=1, most=1, waiting=2))
    for _ in range(3):
        await clients.want("greedy")
    with pytest.raises(QueueFull):
        await clients.turns.take("greedy")
    patient = await clients.want("other")
    await clients.end("greedy")
    await clients.end("greedy")
    assert patient.done()


async def test_who_gives_up_is_passed_over() -> None:
    clients = Clients(FairTurns(at_once=1, most=1, waiting=2))
    await clients.want("a")
    gone, waits = await clients.want("b"), await clients.want("c")
    gone.cancel()
    await clients.end("a")
    assert waits.done()
    await clients.end("c")
    assert clients.turns.free("b")


async def test_a_turn_that_comes_as_its_client_gives_up_is_not_lost() -> None:
    clients = Clients(FairTurns(at_once=1, most=1, waiting=2))
    await clients.want("a")
    gone, waits = await clients.want("b"), await clients.want("c")
    clients.turns.give_back("a")
    gone.cancel()
    await settled()
    assert gone.cancelled()
    assert waits.done()
