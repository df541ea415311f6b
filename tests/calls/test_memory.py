"""What a call leaves in memory: nothing that only the garbage collector would find.

A full collection stops all calls for hundreds of milliseconds, so the host makes them rare. Whatever is left in a cycle
until then, with all its audio, is memory that each call seems to need.
"""

from __future__ import annotations

import asyncio
import gc
from collections import Counter
from collections.abc import Callable, Iterator

import pytest

from tests.calls.client import TestCaller, calling
from tests.calls.lost_worker import Front
from tests.calls.studio import Studio, no_session, studio
from voice_host.call.call import Call
from voice_host.call.echo import EchoGuard
from voice_host.call.listening import Listening
from voice_host.call.microphone import MicrophoneBuffer
from voice_host.call.playout import Playout
from voice_host.call.prepared_turn import PreparedTurn, TurnPreparation
from voice_host.call.replay_buffer import ReplayBuffer
from voice_host.call.reply import Reply
from voice_host.call.speech_out import SpeechOut
from voice_host.clients.transport.connection import ClientConnection
from voice_host.clients.transport.web_socket import CallProtocol
from voice_host.conversation.voice_agent import VoiceAgent
from voice_host.sessions.session import ManagedSession
from voice_host_sdk import AgentConfig

OF_A_CALL = (
    Call,
    CallProtocol,
    ClientConnection,
    EchoGuard,
    Listening,
    MicrophoneBuffer,
    ReplayBuffer,
    TurnPreparation,
)
OF_A_REPLY = (Playout, PreparedTurn, Reply, SpeechOut)
OF_A_SESSION = (ManagedSession, VoiceAgent)

LONG = "One two three four five six seven eight nine ten. " * 5


Alive = Callable[..., Counter[str]]


@pytest.fixture
def alive() -> Iterator[Alive]:
    """Counts the objects of some types that are in memory and were not before; nothing is collected meanwhile."""
    gc.collect()
    gc.disable()
    kinds = {*OF_A_CALL, *OF_A_REPLY, *OF_A_SESSION}
    before = [one for one in gc.get_objects() if type(one) in kinds]  # of other tests
    known = set(map(id, before))
    # Some objects must not be asked for their class, as `isinstance` does.
    yield lambda *of: Counter(
        type(one).__name__ for one in gc.get_objects() if type(one) in of and id(one) not in known
    )
    gc.enable()


def look_up(day: str) -> str:
    """Look something up.

    Args:
        day: weekday name
    """
    return f"{day}: nothing."


async def talk(s: Studio, caller: TestCaller) -> None:
    """Three replies: one that is heard to its end, one that is stopped, and one with a tool."""
    session = await s.stt.connected()
    await caller.speak(bytes(16000), frame_ms=20)
    s.llm.reply("Hello Anna. How can I help?")
    await session.speak_turn("my name is anna")
    await caller.expect("metrics", reply=1)
    await begin_a_long_reply(s, caller)
    await caller.send("cancel")
    await caller.expect("cancelled", reply=2)
    s.llm.call_tool("look_up", {"day": "Friday"})
    s.llm.reply("There is nothing.")
    await caller.type("What about Friday?")
    await caller.expect("metrics", reply=3)


async def begin_a_long_reply(s: Studio, caller: TestCaller) -> None:
    s.llm.reply(LONG)
    await caller.type("Tell me something")
    await caller.expect("audio", count=len(caller.all("audio")) + 3)


@pytest.mark.parametrize("how", ["hangs up", "hangs up during a reply", "is cut off"])
async def test_a_call_that_is_over_leaves_nothing_to_the_garbage_collector(how: str, alive: Alive) -> None:
    config = AgentConfig(tools=(look_up,))
    async with studio(config, ws=CallProtocol, resume_grace_s=5, listener=Front()) as s:
        async with calling(s.url) as caller:
            await talk(s, caller)
            if how != "hangs up":
                await begin_a_long_reply(s, caller)
            if how == "is cut off":
                caller.ws.transport.abort()
        await s.until(lambda s: len(s.leaks) == 1)
        await asyncio.sleep(1)  # what goes to the services is closed in the background
        assert not alive(*OF_A_CALL, *OF_A_REPLY)
        await no_session(s)
        await asyncio.sleep(1)
        assert not alive(*OF_A_SESSION)


async def test_a_reply_that_is_over_leaves_nothing_either(alive: Alive) -> None:
    async with studio(AgentConfig(tools=(look_up,)), ws=CallProtocol) as s, calling(s.url) as caller:
        await talk(s, caller)
        left = alive(*OF_A_REPLY)
        assert left["Reply"] == left["Playout"] == 1, "the last one"
        assert left["PreparedTurn"] <= 1, "that of the next turn"
        assert not left["SpeechOut"]
