"""Workers are killed in the middle of calls, and the callers come back to other workers."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from tests.front.test_process import DEADLINE_S, process
from tests.simulators.gateway import GatewaySimulator, Reply
from tests.supervisor.hosts import QUIET, Host, serving

pytestmark = [
    pytest.mark.real_time,
    pytest.mark.skipif(sys.platform != "linux", reason="workers are processes of Linux"),
]

REMEMBERING = """
import asyncio, os
from pathlib import Path
from voice_host_sdk import AgentConfig, LifecycleCallbacks, Session, hookimpl

class Callbacks(LifecycleCallbacks):
    async def on_session_starting(self, session, config):
        Path(f"pid-{session.id}").write_text(str(os.getpid()))
        return config
    async def on_session_created(self, session):
        session.state |= {"worker": os.getpid(), "words": [], "lock": asyncio.Lock()}
    async def on_session_restored(self, session):
        print("restored", sorted(session.state), flush=True)
    async def on_session_destroyed(self, session, end):
        print("destroyed", end.reason, session.state["words"], flush=True)

async def remember(session: Session, word: str) -> str:
    \"\"\"Remember a word.\"\"\"
    session.state["words"].append(word)
    return f"process {os.getpid()}, words {session.state['words']}"

async def wait(word: str) -> str:
    \"\"\"Wait.\"\"\"
    with Path("runs").open("a") as runs:
        runs.write(word + " ")
    print("waiting for", word, flush=True)
    await asyncio.sleep(60)
    return "waited"

@hookimpl
def agent_config(settings):
    return AgentConfig(title="Remembering", greeting="", tools=[remember, wait])

@hookimpl
def lifecycle_callbacks(settings):
    return Callbacks()
"""

SPEAKING = QUIET.replace(
    "async def send_text(self, text): pass",
    "async def send_text(self, text): self.long = getattr(self, 'long', False) or 'two' in text",
)
SPEAKING = SPEAKING.replace(
    "        yield SpeechAudio(bytes(self.rate // 50 * 2))",
    "        for _ in range(400 if self.long else 1):\n            yield SpeechAudio(bytes(self.rate // 50 * 2))",
)
"""`COUNT` takes 8 s."""

COUNT = "One two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen."
NO_RESULT = "Interrupted before it had a result. It may or may not have been done."


@asynccontextmanager
async def hosting(folder: Path, workers: int, **sessions: float) -> AsyncIterator[Remembering]:
    async with GatewaySimulator() as llm:
        variables = {"BASE_URL": llm.base_url, "API_KEY": llm.api_key}
        lines = [
            *(f"VOICE_HOST_LLM_{name}={value}" for name, value in variables.items()),
            "VOICE_HOST_MODEL=test-model",
        ]
        (folder / ".env").write_text("\n".join(lines), encoding="utf-8")
        settings = f"[agent.remembering]\nworkers = {workers}\n"
        settings += "[sessions]\n" + "".join(f"{name} = {value}\n" for name, value in sessions.items())
        agents = {"remembering": REMEMBERING}
        environ = {"PYTHON_DOTENV_DISABLED": "0"}
        with serving(folder, settings, agents, speech=SPEAKING, until="Talk to your agents", **environ) as host:
            yield Remembering(host, llm, folder)


def line(message: dict[str, Any]) -> str:
    calls = "".join(call["function"]["name"] for call in message.get("tool_calls") or [])
    return f"{message['role']}: {calls or message['content']}"


class Remembering:
    """A host with the agent `remembering`."""

    def __init__(self, host: Host, llm: GatewaySimulator, folder: Path) -> None:
        self.host = host
        self.llm = llm
        self.folder = folder

    @property
    def history(self) -> list[str]:
        """The conversation as the model was sent it last, one line each."""
        return [line(message) for message in self.llm.requests[-1].messages if message["role"] != "system"]

    def address(self, token: str | None = None) -> str:
        query = "" if token is None else "?" + urlencode({"resume": token})
        return f"ws://127.0.0.1:{self.host.port}/agents/remembering/session{query}"

    async def call(self, token: str | None = None) -> Call:
        """Call, or come back, until the host has a worker for it."""
        async with asyncio.timeout(DEADLINE_S):
            while True:
                try:
                    call = Call(await connect(self.address(token), proxy=None, close_timeout=5))
                    call.ready = await call.message("ready")
                    return call
                except InvalidHandshake:
                    pass  # the front had not noticed yet that the worker was gone
                except ConnectionClosed:
                    assert call.ws.close_code == 1012, call.ws.close_reason
                await asyncio.sleep(0.2)

    def pids(self) -> list[Path]:
        """A file for each session, with the id of its process."""
        return list(self.folder.glob("pid-*"))

    def pid_of(self, call: Call) -> int:
        """The process that has the session."""
        return int((self.folder / f"pid-{call.ready['session_id']}").read_text(encoding="utf-8"))

    async def kill_worker_of(self, call: Call) -> int:
        """Kill the process of a call, and wait until the caller knows. Returns the id of the process."""
        os.kill(pid := self.pid_of(call), signal.SIGKILL)
        async with asyncio.timeout(DEADLINE_S):
            async for _ in call.frames():
                pass
        assert call.ws.close_code in (1006, 1012)
        return pid

    async def come_back(self, call: Call) -> Call:
        """Come back to a session whose process was killed."""
        again = await self.call(call.token)
        assert again.ready["resumed"] is True
        assert again.ready["session_id"] == call.ready["session_id"]
        return again


class Call:
    """A call, from the caller's side."""

    def __init__(self, ws: ClientConnection) -> None:
        self.ws = ws
        self.ready: dict[str, Any] = {}

    async def type(self, text: str) -> None:
        await self.ws.send(json.dumps({"type": "text", "text": text}))

    async def frames(self) -> AsyncIterator[str | bytes]:
        """Read until the connection is closed, in whatever way."""
        with suppress(ConnectionClosed):
            while True:
                yield await self.ws.recv()

    async def message(self, kind: str) -> dict[str, Any]:
        """Read until a message of this kind, and return it."""
        async with asyncio.timeout(DEADLINE_S):
            while True:
                frame = await self.ws.recv()
                if isinstance(frame, str) and (found := json.loads(frame))["type"] == kind:
                    return dict(found)

    async def settled(self) -> None:
        """Wait for the end of a reply, and until the worker has done what follows."""
        await self.message("metrics")
        await self.ws.send('{"type": "ping"}')
        await self.message("pong")

    @property
    def token(self) -> str:
        return str(self.ready["resume_token"])


async def test_callers_come_back_from_wherever_their_worker_was_lost(tmp_path: Path) -> None:
    async with hosting(tmp_path, workers=7) as r:
        await while_listening(r)
        await while_the_model_is_asked(r)
        await while_a_tool_runs(r)
        await while_a_reply_is_spoken(r)
        await while_parked(r)
        await with_the_command(r)
        assert "Traceback" not in r.host.process.output


async def while_listening(r: Remembering) -> None:
    call = await r.call()
    r.llm.call_tool("remember", {"word": "plum"})
    r.llm.reply("Noted.")
    await call.type("Remember plum")
    assert (await call.message("chat"))["reply"] == 1
    await call.settled()
    lost = await r.kill_worker_of(call)
    again = await r.come_back(call)
    assert r.pid_of(again) != lost
    r.llm.call_tool("remember", {"word": "pear"})
    r.llm.reply("Two words.")
    await again.type("Remember pear, too")
    assert await again.message("chat") == {
        "type": "chat",
        "reply": 2,
        "text": "Two words.",
        "steps": ["Using remember"],
    }
    *before, question, called, result = r.history
    assert before == [
        "user: Remember plum",
        "assistant: remember",
        f"tool: process {lost}, words ['plum']",
        "assistant: Noted.",
    ]
    assert (question, called) == ("user: Remember pear, too", "assistant: remember")
    assert result == f"tool: process {r.pid_of(again)}, words ['plum', 'pear']"
    await again.ws.close(1000)
    await asyncio.to_thread(r.host.process.until, "destroyed goodbye ['plum', 'pear']")
    assert r.host.process.output.count("restored ['words', 'worker']") == 1
    assert r.host.process.output.count("destroyed") == 1


async def while_the_model_is_asked(r: Remembering) -> None:
    call = await r.call()
    r.llm.script(Reply(["Too", " late."], gates={0: asyncio.Event()}))
    await call.type("When do you open?")
    await r.llm.request(len(r.llm.requests))
    r.llm.reply("At nine.")
    await r.kill_worker_of(call)
    again = await r.come_back(call)
    assert (await again.message("chat"))["text"] == "At nine."
    assert r.history == ["user: When do you open?"]
    await again.ws.close(1000)


async def while_a_tool_runs(r: Remembering) -> None:
    call = await r.call()
    r.llm.call_tool("wait", {"word": "long"})
    await call.type("Wait")
    await call.message("tool_call")
    await asyncio.to_thread(r.host.process.until, "waiting for long")
    requests = len(r.llm.requests)
    await r.kill_worker_of(call)
    again = await r.come_back(call)
    r.llm.reply("I do not know.")
    await again.type("And?")
    assert (await again.message("chat"))["text"] == "I do not know."
    assert len(r.llm.requests) == requests + 1, "the turn with the tool was not answered again"
    assert r.history == ["user: Wait", "assistant: wait", f"tool: {NO_RESULT}", "user: And?"]
    assert (r.folder / "runs").read_text(encoding="utf-8") == "long "
    await again.ws.close(1000)


async def while_parked(r: Remembering) -> None:
    call = await r.call()
    r.llm.reply("Yes.")
    await call.type("Are you there?")
    await call.settled()
    (pid, again) = r.pid_of(call), call
    for _ in range(2):  # the second time, the loss of the first connection was noticed
        again.ws.transport.abort()
        again = await r.come_back(again)
    again.ws.transport.abort()
    os.kill(pid, signal.SIGKILL)
    r.llm.reply("Still.")
    again = await r.come_back(again)
    assert r.pid_of(again) != pid
    await again.type("Still there?")
    assert (await again.message("chat"))["text"] == "Still."
    assert r.history == ["user: Are you there?", "assistant: Yes.", "user: Still there?"]
    await again.ws.close(1000)


async def while_a_reply_is_spoken(r: Remembering) -> None:
    call = await r.call()
    r.llm.reply(COUNT)
    await call.type("Count")
    await call.message("chat")
    heard = 0
    async for frame in call.frames():
        heard += len(frame) if isinstance(frame, bytes) else 0
        if heard > 24000 * 2 * 3.2:  # seconds
            break
    await r.kill_worker_of(call)
    again = await r.come_back(call)
    rest = (await again.message("chat"))["text"]
    assert COUNT.endswith(rest)
    assert len(rest) < len(COUNT)
    await again.ws.close(1000)


async def with_the_command(r: Remembering) -> None:
    """`voice-host call` comes back by itself."""
    before = set(r.pids())
    r.llm.script(Reply(["Too", " late."], gates={0: asyncio.Event()}))
    url = f"ws://127.0.0.1:{r.host.port}"
    with process("call", "remembering", "--url", url, "--text", "When do you open?", cwd=r.folder) as command:
        await r.llm.request(len(r.llm.requests), DEADLINE_S)
        r.llm.reply("At nine.")
        (file,) = set(r.pids()) - before
        os.kill(int(file.read_text(encoding="utf-8")), signal.SIGKILL)
        assert await asyncio.to_thread(command.ended) == 0
        assert "coming back" in command.output
        assert "agent  At nine." in command.output


async def test_a_session_whose_caller_does_not_come_back_gets_its_last_callback(tmp_path: Path) -> None:
    async with hosting(tmp_path, workers=2, resume_grace_s=1) as r:
        call = await r.call()
        r.llm.call_tool("remember", {"word": "plum"})
        r.llm.reply("Noted.")
        await call.type("Remember plum")
        await call.settled()
        await r.kill_worker_of(call)
        await asyncio.to_thread(r.host.process.until, "destroyed lost ['plum']")
        refused = Call(await connect(r.address(call.token), proxy=None))
        assert [frame async for frame in refused.frames()] == []
        assert refused.ws.close_code == 4401
