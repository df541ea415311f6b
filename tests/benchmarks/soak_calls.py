"""The calls of the soak: each has a fate. What it asks for may fail; that it comes to an end may not."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from tests.calls.client import TestCaller, calling
from tests.simulators.assemblyai import AssemblyAISimulator
from tests.simulators.gateway import GatewayRequest, GatewaySimulator
from tests.simulators.gateway_script import Failure, Reply, Script
from tests.simulators.orpheus import Fault, OrpheusSimulator

ANSWER = "On Friday we are open from nine to five."
PATIENCE_S = 10.0
VOICE_FAULTS = [fault for fault in Fault if fault not in (Fault.STALL, Fault.STALL_MID_AUDIO, Fault.FLOOD)]
"""Those that do not have to wait for a time limit of the host."""


@dataclass
class Services:
    """The simulators, and how the next answers of the model fail."""

    stt: AssemblyAISimulator
    tts: OrpheusSimulator
    llm: GatewaySimulator
    model_faults: list[Script] = field(default_factory=list)

    def answer(self, request: GatewayRequest) -> Script:
        """Fail if it is time to; call the tool that the caller names; else answer."""
        last = request.messages[-1]
        if last["role"] == "user" and self.model_faults:
            return self.model_faults.pop()
        for name in ("risky", "slow"):
            if last["role"] == "user" and name in str(last["content"]):
                return Reply([], [(name, {})])
        return Reply([word + " " for word in ANSWER.split()])


@asynccontextmanager
async def services() -> AsyncIterator[Services]:
    """Strict simulators of all three services, their speech short."""
    async with (
        AssemblyAISimulator(api_key="stt-key") as stt,
        OrpheusSimulator(api_key="tts-key", ms_per_word=20) as tts,
        GatewaySimulator(api_key="gateway-key") as llm,
    ):
        made = Services(stt, tts, llm)
        llm.handle(made.answer)
        yield made


async def turn(caller: TestCaller, text: str = "When?", count: int = 1) -> None:
    """One turn to its end, which is told for every reply that is not cut."""
    await caller.type(text)
    await caller.expect("tts_done", count=count, timeout_s=PATIENCE_S)


Fate = Callable[[Services, str], Awaitable[None]]


async def goodbye(_: Services, url: str) -> None:
    async with calling(url) as caller:
        await turn(caller)
        await turn(caller, count=2)


async def speaks(s: Services, url: str) -> None:
    async with calling(url) as caller:
        await caller.expect("ready")
        await caller.ws.send(bytes(3200))
        await turn(caller)


async def interrupts(_: Services, url: str) -> None:
    async with calling(url) as caller:
        await caller.type("When?")
        await caller.expect("audio")
        await caller.send("cancel")
        await caller.expect("cancelled", timeout_s=PATIENCE_S)


async def vanishes(_: Services, url: str) -> None:
    async with calling(url) as caller:
        await caller.type("When?")
        await caller.expect("audio")
        caller.ws.transport.abort()


async def vanishes_at_once(_: Services, url: str) -> None:
    async with calling(url) as caller:
        caller.ws.transport.abort()


async def comes_back(_: Services, url: str) -> None:
    async with calling(url) as first:
        await first.type("When?")
        await first.expect("audio")
        token = first.all("ready")[0]["resume_token"]
        if random.random() < 0.5:
            first.ws.transport.abort()
        async with calling(f"{url}?resume={token}") as second:
            await second.expect("ready", resumed=True, timeout_s=PATIENCE_S)
            await turn(second)


async def shows_a_wrong_token(_: Services, url: str) -> None:
    async with calling(f"{url}?resume=nothing") as caller:
        assert (await caller.ended(PATIENCE_S))[0] == 4401


async def is_refused(_: Services, url: str) -> None:
    async with calling(f"{url}?plugin=refuses") as caller:
        assert (await caller.ended(PATIENCE_S))[0] == 4500


async def talks_nonsense(_: Services, url: str) -> None:
    async with calling(url) as caller:
        for raw in ("{", "[]", '{"type": 3}', '{"type": "text"}', b"\x01"):
            await caller.ws.send(raw)
        await turn(caller)


async def sends_a_huge_frame(_: Services, url: str) -> None:
    async with calling(url) as caller:
        await caller.ws.send(bytes(2 << 20))
        await caller.ended(PATIENCE_S)


async def tool_fails(_: Services, url: str) -> None:
    how = random.choice(("raises", "exits", "hangs"))
    async with calling(f"{url}?plugin={how}") as caller:
        await turn(caller, "risky")


async def tool_in_a_thread(_: Services, url: str) -> None:
    async with calling(url) as caller:
        await turn(caller, "slow")


async def voice_fails(s: Services, url: str) -> None:
    s.tts.faults.append(random.choice(VOICE_FAULTS))
    async with calling(url) as caller:
        await turn(caller)


async def recogniser_fails(s: Services, url: str) -> None:
    async with calling(url) as caller:
        await caller.expect("ready")
        await turn(caller)
        if alive := [session for session in s.stt.sessions if session.close_code is None]:
            session = random.choice(alive)
            with suppress(OSError, ConnectionError):
                session.drop() if random.random() < 0.5 else await session.close(1000)
        await turn(caller, count=2)


async def model_fails(s: Services, url: str) -> None:
    s.model_faults.append(
        random.choice(
            [
                Failure(500, {"message": "scripted failure"}),
                Failure(429, {"message": "slow down"}, {"retry-after": "0"}),
                Failure(400, {"message": "no"}),
                Reply(["On ", "Friday "], cut="reset"),
                Reply(["On ", "Friday "], cut="clean"),
                Reply([]),
                Reply([], [("no_such_tool", {})]),
                Reply([], [("risky", "no JSON")]),
            ]
        )
    )
    async with calling(url) as caller:
        await turn(caller)


FATES: tuple[Fate, ...] = (
    goodbye,
    speaks,
    interrupts,
    vanishes,
    vanishes_at_once,
    comes_back,
    shows_a_wrong_token,
    is_refused,
    talks_nonsense,
    sends_a_huge_frame,
    tool_fails,
    tool_in_a_thread,
    voice_fails,
    recogniser_fails,
    model_fails,
)
