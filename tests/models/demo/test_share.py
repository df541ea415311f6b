"""How many of the utterances and conversations come out right, on three different agents, through whole calls."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AsyncExitStack
from datetime import date

from tests.models.demo import held_out
from tests.models.demo.agents import AGENTS
from tests.models.demo.conversations import CONVERSATIONS
from tests.models.demo.utterances import UTTERANCES, Ask, Call
from voice_host.models import demo_model
from voice_host.testing import TestAgent, TestCall, in_virtual_time, serve_agent

EVERY_AGENT = AGENTS | held_out.AGENTS
MONDAY = date(2026, 11, 23)
SHARE = 0.8


async def serve(stack: AsyncExitStack, names: Sequence[str]) -> dict[str, TestAgent]:
    model = demo_model(lambda: MONDAY)
    return {
        name: await stack.enter_async_context(serve_agent(EVERY_AGENT[name], model)) for name in dict.fromkeys(names)
    }


def made(call: TestCall) -> list[Call]:
    return [Call(tool.name, dict(tool.arguments)) for tool in call.tools]


async def answer(call: TestCall, expected: Call | Ask, text: str) -> str | None:
    """Say something and return what went wrong, or None."""
    reply = await call.ask(text)
    assert reply.text.count("?") <= 1, reply.text
    calls = made(call)
    if isinstance(expected, Ask):
        right = not calls and expected.about in reply.text
    else:
        if not calls and ("s that right?" in reply.text or "Do you want me to" in reply.text):
            await call.ask("Yes, please.")  # it asked back before it acted on a guess
            calls = made(call)
        right = calls == [expected]
    return None if right else f"{text!r}: {calls or reply.text!r} instead of {expected}"


@in_virtual_time
async def test_of_the_utterances_most_are_understood() -> None:
    assert await share_of_utterances(UTTERANCES) >= SHARE


@in_virtual_time
async def test_of_the_conversations_most_come_to_their_end() -> None:
    assert await share_of_conversations(CONVERSATIONS) >= SHARE


@in_virtual_time
async def test_of_the_utterances_it_was_not_tuned_on_most_are_understood_too() -> None:
    assert await share_of_utterances(held_out.UTTERANCES) >= SHARE


@in_virtual_time
async def test_of_the_conversations_it_was_not_tuned_on_most_come_to_their_end_too() -> None:
    assert await share_of_conversations(held_out.CONVERSATIONS) >= SHARE


async def share_of_utterances(utterances: Sequence[tuple[str, str, Call | Ask]]) -> float:
    """Say each in a call of its own; print those that went wrong and return the share of the others."""
    wrong: list[str] = []
    async with AsyncExitStack() as stack:
        served = await serve(stack, [name for name, _, _ in utterances])
        for name, text, expected in utterances:
            async with served[name].call() as call:
                if failure := await answer(call, expected, text):
                    wrong.append(f"{name}: {failure}")
    return report("utterances", len(utterances), wrong)


async def share_of_conversations(conversations: Sequence[tuple[str, list[str], list[Call]]]) -> float:
    """Hold each in a call of its own; print those that went wrong and return the share of the others."""
    wrong: list[str] = []
    async with AsyncExitStack() as stack:
        served = await serve(stack, [name for name, _, _ in conversations])
        for name, turns, expected in conversations:
            said: list[str] = []
            async with served[name].call() as call:
                for turn in turns:
                    said += [f"> {turn}", (await call.ask(turn)).text]
                    assert said[-1].count("?") <= 1, said[-1]
                if made(call) != expected:
                    wrong.append("\n    ".join([f"{name}: {made(call)}", *said]))
    return report("conversations", len(conversations), wrong)


def report(what: str, count: int, wrong: list[str]) -> float:
    print(f"\n{count - len(wrong)} of {count} {what} are right. Wrong:", *wrong or ["none"], sep="\n  ")
    return 1 - len(wrong) / count
