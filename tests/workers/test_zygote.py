"""The process that workers are forked from."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from voice_host.releases.release import Release
from voice_host.supervisor.environment import base_environment
from voice_host.workers.channel import frame, receive_first
from voice_host.workers.messages import TO_FRONT, Hurry, Order, Started

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="workers are forked on Linux alone")

DEADLINE_S = 60.0
NOBODY = Release(agent_id="nobody", name="1.0", distribution="d", version="1.0", entry_point="no_such_module")


class Zygote:
    def __init__(self, **environ: str) -> None:
        self.requests, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.requests.settimeout(DEADLINE_S)
        with theirs:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "voice_host.workers.zygote", str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                env={**base_environment(), **environ},
                stderr=subprocess.PIPE,
            )

    def answer(self) -> dict[str, Any]:
        return dict(json.loads(self.requests.recv(4096)))

    def fork(self) -> tuple[socket.socket, int, int]:
        """Return the channel, the id and the output of a worker."""
        channel, theirs = socket.socketpair()
        out, their_out = os.pipe()
        socket.send_fds(self.requests, [b'{"fork": 7}'], [theirs.fileno(), their_out, their_out])
        theirs.close()
        os.close(their_out)
        answer = self.answer()
        assert answer["forked"] == 7
        channel.settimeout(DEADLINE_S)
        return channel, answer["pid"], out


@pytest.fixture(scope="module")
def zygote() -> Iterator[Zygote]:
    found = Zygote(SOME_SECRET="topsecret")
    try:
        assert found.answer() == {"ready": True}
        yield found
    finally:
        found.requests.close()
        assert found.process.wait(DEADLINE_S) == 0, "it ends when the front is gone"
        assert found.process.stderr is not None
        found.process.stderr.close()


def test_it_has_one_thread(zygote: Zygote) -> None:
    assert len(list(Path(f"/proc/{zygote.process.pid}/task").iterdir())) == 1


def test_a_worker_is_a_group_of_its_own_and_its_end_is_reported(zygote: Zygote) -> None:
    channel, pid, out = zygote.fork()
    with channel:
        channel.sendall(frame(Order(release=NOBODY)))
        started = receive_first(channel, TO_FRONT)
        assert isinstance(started, Started)
        assert (started.report.status, started.report.phase) == ("broken", "imported")
        assert "no_such_module" in str(started.report.error)
    assert zygote.answer() == {"exited": pid, "code": 0}
    assert b"Traceback" not in os.read(out, 65536)
    os.close(out)


def test_signals_end_neither_it_nor_a_worker(zygote: Zygote) -> None:
    channel, pid, out = zygote.fork()
    with channel:
        while os.getpgid(pid) != pid:
            select.select([], [], [], 0.01)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            os.kill(zygote.process.pid, number)
            os.kill(pid, number)
        os.kill(pid, signal.SIGKILL)
        assert zygote.answer() == {"exited": pid, "code": -signal.SIGKILL}
    os.close(out)


def test_a_worker_leaves_if_the_front_does_or_sends_no_order(zygote: Zygote) -> None:
    for sent in (b"", frame(Hurry()), b"nonsense" * 10):
        channel, pid, out = zygote.fork()
        with channel:
            channel.sendall(sent)
        assert zygote.answer() == {"exited": pid, "code": 0}
        os.close(out)


def test_an_order_of_another_version_is_refused_in_words(zygote: Zygote) -> None:
    channel, pid, out = zygote.fork()
    with channel:
        channel.sendall(frame(Order(protocol=99, release=NOBODY)))
        started = receive_first(channel, TO_FRONT)
        assert isinstance(started, Started)
        assert started.report.error
        assert "another version of voice-host" in started.report.error
    assert zygote.answer() == {"exited": pid, "code": 0}
    os.close(out)


def test_a_library_that_starts_threads_on_import_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "numpy.py").write_text(
        "import threading\nthreading.Thread(target=threading.Event().wait, daemon=True).start()", encoding="utf-8"
    )
    zygote = Zygote(PYTHONPATH=str(tmp_path))
    with zygote.requests:
        _, errors = zygote.process.communicate(timeout=DEADLINE_S)
    assert zygote.process.returncode == 1
    assert b"the zygote has 2 threads, and must have one" in errors
