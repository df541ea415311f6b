"""`voice-host serve` as a process: start-up output, signals, ports, and the log."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from tests.ports import free_port
from voice_host.front.listener import PortTaken, listen

pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals")

DEADLINE_S = 60.0


class Process:
    """A host in a process of its own, its output read as it comes."""

    def __init__(
        self,
        *arguments: str,
        cwd: Path,
        command: Sequence[str] = ("-m", "voice_host"),
        environ: Mapping[str, str] | None = None,
    ) -> None:
        """Start it. `environ` is added to the variables."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("VOICE_HOST_", "ASSEMBLYAI_"))}
        self._popen = subprocess.Popen(
            [sys.executable, *command, *arguments],
            cwd=cwd,
            env={**kept, **(environ or {})},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,  # a group of its own, to which a test can send a signal as a terminal does
        )
        self.output = ""
        self._lines: queue.Queue[str | None] = queue.Queue()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self._popen.stdout is not None
        for line in self._popen.stdout:
            self._lines.put(line)
        self._lines.put(None)

    def until(self, text: str, count: int = 1) -> None:
        """Read the output until it holds `text` so often."""
        end = time.monotonic() + DEADLINE_S
        while self.output.count(text) < count:
            line = self._lines.get(timeout=max(0.0, end - time.monotonic()))
            assert line is not None, self.output
            self.output += line

    @property
    def pid(self) -> int:
        return self._popen.pid

    def signal(self, number: signal.Signals) -> None:
        self._popen.send_signal(number)

    def ended(self) -> int:
        code = self._popen.wait(DEADLINE_S)
        while (line := self._lines.get(timeout=10)) is not None:
            self.output += line
        return code

    def close(self) -> None:
        if self._popen.poll() is None:
            self._popen.kill()
        self._popen.wait()
        self._reader.join()
        assert self._popen.stdout is not None
        self._popen.stdout.close()


@contextmanager
def process(*arguments: str, cwd: Path) -> Iterator[Process]:
    started = Process(*arguments, cwd=cwd)
    try:
        yield started
    finally:
        started.close()


def refused(port: int, host: str) -> int:
    """The status a page gets whose own name was made to point to this machine."""
    request = urllib.request.Request(f"http://127.0.0.1:{port}/agents", headers={"Host": host})
    with pytest.raises(urllib.error.HTTPError) as error:
        urllib.request.urlopen(request, timeout=10)
    error.value.close()
    return error.value.code


def get(port: int, path: str) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
        return str(answer.read().decode())


def told(call: ClientConnection) -> list[tuple[str, bool]]:
    """Read until the call is closed; return the errors with whether they were fatal."""
    errors: list[tuple[str, bool]] = []
    with suppress(ConnectionClosed):
        while True:
            frame = call.recv(DEADLINE_S)
            if isinstance(frame, str) and (message := json.loads(frame))["type"] == "error":
                errors.append((message["code"], message["fatal"]))
    return errors


@contextmanager
def host_with_a_call(
    folder: Path, *, drain_timeout_s: float, isolation: str = "process"
) -> Iterator[tuple[Process, int, ClientConnection]]:
    port = free_port()
    settings = f"[server]\ndrain_timeout_s = {drain_timeout_s}\n[agents]\nisolation = {isolation!r}\n"
    (folder / "voice-host.toml").write_text(settings, encoding="utf-8")
    with process("serve", "--port", str(port), "--agents", "front-desk", cwd=folder) as host:
        host.until("No language model is configured")
        with connect(f"ws://127.0.0.1:{port}/agents/front-desk/session?token=topsecret") as call:
            assert json.loads(call.recv())["type"] == "ready"
            yield host, port, call


@pytest.mark.fault("process: SIGTERM, SIGINT or SIGHUP")
@pytest.mark.parametrize(("name", "isolation"), [("SIGTERM", "process"), ("SIGHUP", "none")])
@pytest.mark.usefixtures("embedded_speech")
def test_a_signal_ends_calls_in_order_and_the_process_with_zero(tmp_path: Path, name: str, isolation: str) -> None:
    with host_with_a_call(tmp_path, drain_timeout_s=0.5, isolation=isolation) as (host, port, call):
        assert host.output.count("embedded") >= 2
        assert json.loads(get(port, "/agents"))[0]["status"] == "ready"
        assert refused(port, "evil.example") == 400
        assert call.protocol.extensions == [], "audio does not compress; the client offered to"
        host.signal(signal.Signals[name])
        assert told(call) == [("draining", False), ("draining", True)]
        assert call.close_code == 4504
        assert host.ended() == 0
        assert "topsecret" not in host.output
        assert "Traceback" not in host.output


@pytest.mark.fault("process: SIGTERM, SIGINT or SIGHUP")
@pytest.mark.usefixtures("embedded_speech")
def test_a_call_may_end_by_itself_while_the_host_drains(tmp_path: Path) -> None:
    with host_with_a_call(tmp_path, drain_timeout_s=600) as (host, port, call):
        host.signal(signal.SIGINT)
        while (message := json.loads(text) if isinstance(text := call.recv(DEADLINE_S), str) else {}) == {} or (
            message["type"] != "error"
        ):
            pass
        assert message["message"] == "The server shuts down within 600 seconds."
        with pytest.raises(urllib.error.HTTPError, match="503") as not_ready:
            get(port, "/ready")
        not_ready.value.close()
        with connect(f"ws://127.0.0.1:{port}/agents/front-desk/session") as late:
            assert told(late) == []
            assert late.close_code == 4504
        call.send('{"type": "ping"}')
        while call.recv(DEADLINE_S) != '{"type": "pong"}':
            pass
        call.close()
        assert host.ended() == 0


@pytest.mark.fault("process: a second signal")
def test_a_second_signal_hurries(tmp_path: Path) -> None:
    with host_with_a_call(tmp_path, drain_timeout_s=600) as (host, _, call):
        host.signal(signal.SIGTERM)
        host.until("draining")
        host.signal(signal.SIGINT)
        assert told(call)[-1] == ("draining", True)
        assert call.close_code == 4504
        assert host.ended() == 0
        assert "Traceback" not in host.output


def test_a_host_started_with_nohup_stays_when_its_terminal_is_closed(tmp_path: Path) -> None:
    port = free_port()
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # what nohup does; children inherit it
    try:
        host = Process("serve", "--port", str(port), cwd=tmp_path)
    finally:
        signal.signal(signal.SIGHUP, before)
    try:
        host.until("No language model is configured")
        host.signal(signal.SIGHUP)
        assert json.loads(get(port, "/ready"))["status"] == "ready"
        assert "draining" not in host.output
    finally:
        host.close()


def test_a_port_that_is_taken_is_said_in_words(tmp_path: Path) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        process("serve", "--port", str(taken.getsockname()[1]), cwd=tmp_path) as host,
    ):
        assert host.ended() == 2
    assert "cannot listen" in host.output
    assert "another port with --port" in host.output
    assert "Traceback" not in host.output


def test_a_port_that_is_taken_is_said_before_anything_heavy_is_imported(tmp_path: Path) -> None:
    script = (
        "import sys\n"
        "from voice_host.cli import main\n"
        "try: main()\n"
        "finally: print('HEAVY', {'uvicorn', 'fastapi', 'pydantic_ai'} & set(sys.modules))"
    )
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = subprocess.run(
            [sys.executable, "-c", script, "serve", "--port", str(taken.getsockname()[1])],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 2
    assert "cannot listen" in done.stderr
    assert done.stdout == "HEAVY set()\n"


def test_an_address_of_another_machine_is_said_in_words() -> None:
    with pytest.raises(PortTaken, match="cannot listen on") as error:
        listen("192.0.2.1", 0)
    assert "this machine has no such address" in error.value.hint


async def test_accepted_connections_send_small_frames_at_once() -> None:
    delays: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def accepted(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        delays.set_result(writer.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
        writer.close()

    with listen("127.0.0.1", 0) as listener:
        async with await asyncio.start_server(accepted, sock=listener):
            _, writer = await asyncio.open_connection(*listener.getsockname())
            assert await delays
            writer.close()


@pytest.mark.parametrize(
    ("refusal", "hint"),
    [
        (PermissionError(errno.EACCES, "Permission denied"), "ports below 1024 need privileges"),
        (socket.gaierror(socket.EAI_NONAME, "Name or service not known"), "this machine has no such address"),
    ],
)
def test_every_refusal_has_its_own_hint(monkeypatch: pytest.MonkeyPatch, refusal: OSError, hint: str) -> None:
    def bind(self: socket.socket, address: object) -> None:
        raise refusal

    # Made up, since who runs the tests may have the privilege, and names are not looked up outside of this machine.
    monkeypatch.setattr(socket, "socket", type("Refused", (socket.socket,), {"bind": bind}))
    with pytest.raises(PortTaken, match=str(refusal.strerror)) as error:
        listen("localhost", 80)
    assert hint in error.value.hint


@pytest.mark.parametrize("module", ["typer", "voice_host.settings", "voice_host.front.run"])
def test_ctrl_c_while_libraries_load_shows_no_stack_trace(tmp_path: Path, module: str) -> None:
    script = (
        "import runpy, signal, sys\n"
        "class Impatient:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        f"        if name == {module!r}: signal.raise_signal(signal.SIGINT)\n"
        "sys.meta_path.insert(0, Impatient())\n"
        "runpy.run_module('voice_host', run_name='__main__')"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, "serve", "--port", "0"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "interrupted\n")


def test_a_public_address_needs_a_decision(tmp_path: Path) -> None:
    with process("serve", "--host", "0.0.0.0", "--port", "0", cwd=tmp_path) as host:
        assert host.ended() == 2
    assert "--insecure" in host.output


def test_the_log_can_be_read_by_programs(tmp_path: Path) -> None:
    with process("serve", "--port", "0", "--log-format", "json", cwd=tmp_path) as host:
        host.until('"event": "serving"')
        host.signal(signal.SIGTERM)
        assert host.ended() == 0
    logged = [json.loads(line) for line in host.output.splitlines()]
    assert {"draining"} <= {line["event"] for line in logged}
    assert all("level" in line and "timestamp" in line for line in logged)
