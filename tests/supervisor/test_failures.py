"""What an agent's code can do to its own worker, and that a call to another agent goes on undisturbed meanwhile."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection

from tests.front.test_process import DEADLINE_S, get
from tests.processes import is_running
from tests.supervisor.hosts import TELLING, Host, ask, greeting, message, serving

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="workers are processes of Linux")

SICK = """
import asyncio, ctypes, json, os, pathlib, re, socket, subprocess, sys, time
from voice_host_sdk import AgentConfig, LifecycleCallbacks, Session, hookimpl

class Callbacks(LifecycleCallbacks):
    async def on_session_starting(self, session, config):
        return config.model_copy(update={"greeting": json.dumps({"pid": os.getpid()})})

    async def on_shutdown(self):
        if pathlib.Path("refuse-to-stop").exists():
            time.sleep(600)

def leave():
    os._exit(3)

def crash():
    ctypes.string_at(0)

def hold_the_gil():
    ctypes.PyDLL(None).sleep(600)

def search():
    re.match("(a+)+$", "a" * 100 + "b")

def leak():
    kept = []
    while True:
        kept.append(os.urandom(2_000_000))
        time.sleep(0.01)

def allocate():
    bytearray(8_000_000_000)

def leave_children():
    forked = [os.fork() for _ in range(2)]
    if 0 in forked:
        time.sleep(600)
        os._exit(0)
    started = [
        subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=apart).pid
        for apart in (False, True)
    ]
    pathlib.Path("children").write_text(json.dumps(forked + started))
    os._exit(4)

def channels():
    for name in os.listdir("/proc/self/fd"):
        try:
            sock = socket.socket(fileno=os.dup(int(name)))
        except OSError:
            continue
        if sock.family == socket.AF_UNIX:
            yield sock
        else:
            sock.detach()

def write_to_the_channel(data, times=1):
    for sock in list(channels()):
        sock.setblocking(True)
        sock.settimeout(None)
        try:
            for _ in range(times):
                sock.sendall(data)
        except OSError:
            pass
    time.sleep(600)

def send_garbage():
    write_to_the_channel(b"\\xff" * 100)

def send_nonsense():
    text = b'{"kind": "no such"}'
    write_to_the_channel(len(text).to_bytes(4) + bytes(5) + text)

def flood():
    text = b'{"kind": "beat", "number": 1, "calls": 0, "parked": 0}'
    write_to_the_channel((len(text).to_bytes(4) + bytes(5) + text) * 1000, 1000)

def use_up_descriptors():
    kept = globals().setdefault("KEPT", [])
    try:
        while True:
            kept.append(os.open(os.devnull, os.O_RDONLY))
    except OSError:
        return

def print_for_ever():
    while True:
        os.write(1, b"x" * 1000 + b"\\n")

async def opening_hours(day: str, session: Session) -> str:
    \"\"\"Tell the opening hours of a day.\"\"\"
    fail = session.metadata.get("fail")
    if fail == "loop":
        while True:
            pass
    if fail:
        await asyncio.to_thread(globals()[fail])
    return f"{os.getpid()} on {day}"

@hookimpl
def agent_config():
    return AgentConfig(title="Sick", tools=[opening_hours])

@hookimpl
def lifecycle_callbacks():
    return Callbacks()
"""
"""Its tool does what the call's parameter `fail` names."""

FAILURES = {
    "leave": ("exit", "it ended with exit code 3", None),
    "crash": ("signal", "it ended with SIGSEGV", "in crash"),
    "hold_the_gil": ("hang", "its event loop did not answer for 1 s", "in hold_the_gil"),
    "search": ("hang", "its event loop did not answer for 1 s", "in search"),
    "loop": ("hang", "its event loop did not answer for 1 s", "in opening_hours"),
    "leak": ("memory", "MB of memory, and memory_mb is 128", None),
    "leave_children": ("exit", "it ended with exit code 4", None),
    "send_garbage": ("channel", "it sent something invalid to the host", None),
    "send_nonsense": ("channel", "it sent something invalid to the host", None),
    "flood": ("channel", "it sent too much to the host", None),
}
"""By what the tool does: the reason, the words, and the function that the log names."""

OTHERS = ("print_for_ever", "allocate", "use_up_descriptors")
"""What else a tool does."""

QUICK = "hang_s = 1\nmemory_mb = 128\n"


class Bystander:
    """A caller of another agent, who asks again and again and hears the answers."""

    def __init__(self, call: ClientConnection) -> None:
        self._call = call
        self._pid = greeting(call)["pid"]
        self._answered = threading.Condition()
        self._answers = 0
        self._stopping = False
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._talk)
        self._thread.start()

    def _talk(self) -> None:
        try:
            while not self._stopping:
                self._ask()
                with self._answered:
                    self._answers += 1
                    self._answered.notify_all()
        except BaseException as failure:  # noqa: BLE001 - it belongs to the test's thread
            with self._answered:
                self._failure = failure
                self._answered.notify_all()

    def _ask(self) -> None:
        """Ask, and hear the whole answer: its text, from the same process as always, and its audio."""
        self._call.send(json.dumps({"type": "text", "text": "What are your opening hours on Friday?"}))
        said, audio = "", b""
        while True:
            frame = self._call.recv(DEADLINE_S)
            if isinstance(frame, bytes):
                audio += frame
                continue
            kind = json.loads(frame)["type"]
            if kind == "chat":
                said = json.loads(frame)["text"]
            elif kind == "tts_done":
                break
        assert said.startswith(f"{self._pid} ")
        assert audio

    @contextmanager
    def undisturbed(self) -> Iterator[None]:
        """Check that the caller gets answers meanwhile, and afterwards."""
        before = self._answers
        yield
        with self._answered:
            assert self._answered.wait_for(lambda: self._answers >= before + 2 or self._failure, DEADLINE_S)
        assert self._failure is None

    def hang_up(self) -> None:
        self._stopping = True
        self._thread.join()


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """A host with a healthy agent, and a sick one for each failure. Lost calls cannot be resumed."""
    agents = {"telling": TELLING} | {name.replace("_", "-"): SICK for name in (*FAILURES, *OTHERS)}
    tables = "".join(f"[agent.{agent}]\n{QUICK}" for agent in agents if agent != "telling")
    settings = f"[sessions]\nresume_grace_s = 0\n{tables}"
    with serving(tmp_path_factory.mktemp("failures"), settings, agents) as running:
        yield running


@pytest.fixture(scope="module")
def bystander(host: Host) -> Iterator[Bystander]:
    with host.call("telling") as call:
        caller = Bystander(call)
        yield caller
        caller.hang_up()


def let_it_fail(call: ClientConnection) -> None:
    """Let the tool run, and read until the connection is closed."""
    call.send(json.dumps({"type": "text", "text": "What are your opening hours on Friday?"}))
    with suppress(ConnectionClosed):
        while True:
            call.recv(DEADLINE_S)


@pytest.mark.fault(
    "worker: exits",
    "worker: crashes",
    "worker: holds the GIL or blocks its event loop",
    "worker: uses too much memory",
    "worker: sends garbage or floods the host",
)
@pytest.mark.parametrize("fail", FAILURES)
def test_a_failure_ends_the_calls_of_its_own_worker_alone(host: Host, bystander: Bystander, fail: str) -> None:
    agent_id = fail.replace("_", "-")
    reason, words, where = FAILURES[fail]
    host.process.output = ""
    with bystander.undisturbed():
        with host.call(agent_id, fail=fail) as call, host.call(agent_id) as other:
            pid = greeting(call)["pid"]
            assert greeting(other)["pid"] == pid
            let_it_fail(call)
            for lost in (call, other):
                with suppress(ConnectionClosed):
                    while True:
                        lost.recv(DEADLINE_S)
                assert (lost.close_code, lost.close_reason) == (1011, "the agent has failed, and the call is lost")
        with host.call(agent_id) as again:  # at once: it waits for the new worker
            assert greeting(again)["pid"] != pid
            ask(again)
        assert not is_running(pid)
    host.process.until("worker_restarted")
    logged = next(
        line for line in host.process.output.splitlines() if "worker_ended" in line and f"={agent_id} " in line
    )
    assert words in logged
    assert f"reason={reason}" in logged
    if where is not None:
        assert where in logged
    assert f'voice_host_workers_ended_total{{agent="{agent_id}",reason="{reason}"}} 1.0' in get(host.port, "/metrics")
    described = next(agent for agent in host.get("/agents") if agent["id"] == agent_id)
    assert described["status"] == "ready"


@pytest.mark.fault("worker: leaves processes behind")
def test_processes_that_a_worker_left_behind_end_with_it(host: Host) -> None:
    """After the failure above."""
    children = json.loads((host.folder / "children").read_text(encoding="utf-8"))
    assert len(children) == 4
    deadline_s = time.monotonic() + DEADLINE_S
    while any(map(is_running, children)) and time.monotonic() < deadline_s:
        time.sleep(0.05)
    assert [child for child in children if is_running(child)] == []


@pytest.mark.fault("worker: allocates too much at once")
def test_memory_that_is_allocated_at_once_is_refused(host: Host, bystander: Bystander) -> None:
    with bystander.undisturbed(), host.call("allocate", fail="allocate") as call:
        pid = greeting(call)["pid"]
        call.send(json.dumps({"type": "text", "text": "What are your opening hours on Friday?"}))
        message(call, "chat")  # what the model makes of a tool that failed
        assert is_running(pid)


@pytest.mark.fault("worker: uses up the file descriptors")
def test_a_worker_without_descriptors_for_calls_is_replaced_at_once(host: Host, bystander: Bystander) -> None:
    with bystander.undisturbed(), host.call("use-up-descriptors", fail="use_up_descriptors") as call:
        pid = greeting(call)["pid"]
        ask(call)
        host.process.output = ""
        with host.call("use-up-descriptors") as other:
            assert greeting(other)["pid"] != pid
        with suppress(ConnectionClosed):
            while True:
                call.recv(DEADLINE_S)
        assert (call.close_code, call.close_reason) == (1011, "the agent has failed, and the call is lost")
    host.process.until("worker_restarted")
    logged = next(line for line in host.process.output.splitlines() if "worker_ended" in line)
    assert "reason=exit" in logged


@pytest.mark.fault("worker: prints without end")
def test_a_worker_that_prints_for_ever_disturbs_nobody(host: Host, bystander: Bystander) -> None:
    with host.call("print-for-ever", fail="print_for_ever") as call:
        pid = greeting(call)["pid"]
        call.send(json.dumps({"type": "text", "text": "What are your opening hours on Friday?"}))
        message(call, "tool_call")
        with bystander.undisturbed(), host.call("print-for-ever") as other:
            assert greeting(other)["pid"] == pid
    os.kill(pid, signal.SIGKILL)
