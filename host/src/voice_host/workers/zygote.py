"""The zygote: a process that has imported all that a worker needs, and forks workers on request.

A forked worker shares its memory and is ready in a tenth of a second. The zygote has one thread and no event loop,
since neither survives a fork, and runs no code of agents. It is started as
`python -m voice_host.workers.zygote DESCRIPTOR`, with one end of a pair of `SOCK_SEQPACKET` sockets, and ends when the
other end is closed.

Requests are `{"fork": N}` with three file descriptors beside: the worker's channel, stdout and stderr. Answers are
`{"ready": true}` once, `{"forked": N, "pid": P}` or `{"failed": N, "error": ...}`, and `{"exited": P, "code": C}` for
each worker that ends, where a negative code is the number of a signal.
"""

from __future__ import annotations

import gc
import json
import os
import select
import signal
import socket
import sys
from contextlib import suppress
from importlib import import_module
from itertools import chain
from pathlib import Path
from typing import Any

from voice_host.settings import built_in_services
from voice_host.workers.confinement import make_undumpable
from voice_host.workers.limits import adopt_orphans, prepare_to_crash
from voice_host.workers.main import run_and_exit

PRELOADED = (
    "anyio._backends._asyncio",
    "genai_prices.data",
    "numpy",
    "pydantic_ai.models.openai",
    "soxr",
    "uvicorn.lifespan.off",
    "uvicorn.protocols.http.auto",
    "uvloop",
    "voice_host.models.gateway",
    "voice_host.speech.service_socket",
)
"""What agents and their first calls import besides the worker itself, as far as it is installed. It takes half a second
and 40 MB, once instead of in every worker."""

MAX_REQUEST_BYTES = 4096
DESCRIPTORS = 3


def main(requests: socket.socket) -> None:
    """Fork workers until the front is gone."""
    prepare_to_crash()  # its workers inherit what they may not write any more: they are not dumpable from the start
    make_undumpable()  # whoever could change its memory would be in every worker that comes after
    _import_everything()
    gc.collect()
    gc.freeze()  # the collector would write into the objects, and so copy the pages that workers share
    if (threads := len(list(Path("/proc/self/task").iterdir()))) != 1:
        sys.exit(f"the zygote has {threads} threads, and must have one: a library has started some on import")
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _ignore)  # sent to the whole group: the front decides
    woken, wake = socket.socketpair()
    woken.setblocking(False)
    wake.setblocking(False)
    adopt_orphans()
    signal.signal(signal.SIGCHLD, _ignore)
    signal.set_wakeup_fd(wake.fileno(), warn_on_full_buffer=False)
    _Zygote(requests, woken, wake).run()


def _ignore(*_: object) -> None:
    pass


def _import_everything() -> None:
    """Import what the first call would import, so that workers share it. A worker that did would take 7 MB more."""
    from genai_prices.data_snapshot import get_snapshot
    from pydantic_ai.messages import ModelMessagesTypeAdapter

    ModelMessagesTypeAdapter.rebuild()
    get_snapshot()  # prices of all models, which pydantic-ai reads
    processes = (service.process for service in built_in_services() if service.process is not None)
    of_speech = (process.imports for process in processes if process.problem() is None)
    for module in chain(PRELOADED, *of_speech):
        with suppress(ImportError):
            import_module(module)


def _children() -> set[int]:
    """Return the processes whose parent is this one. Empty if the kernel does not list them."""
    try:
        return {int(pid) for pid in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()}
    except OSError:
        return set()


class _Zygote:
    def __init__(self, requests: socket.socket, woken: socket.socket, wake: socket.socket) -> None:
        self._requests = requests
        self._woken = woken
        self._wake = wake
        self._workers: set[int] = set()

    def run(self) -> None:
        self._tell({"ready": True})
        poll = select.poll()
        poll.register(self._requests, select.POLLIN)
        poll.register(self._woken, select.POLLIN)
        while True:
            for descriptor, _ in poll.poll():
                if descriptor == self._woken.fileno():
                    with suppress(BlockingIOError):
                        self._woken.recv(4096)
                    self._reap()
                elif not self._answer():
                    return

    def _answer(self) -> bool:
        """Answer a request. Returns False if the front is gone."""
        try:
            data, descriptors, _, _ = socket.recv_fds(self._requests, MAX_REQUEST_BYTES, DESCRIPTORS)
        except ConnectionError:
            return False
        if not data:
            return False
        number = json.loads(data)["fork"]
        try:
            pid = os.fork()
        except OSError as error:  # too many processes, or no memory
            self._tell({"failed": number, "error": error.strerror or str(error)})
        else:
            if pid == 0:
                self._become_worker(*descriptors)
            self._workers.add(pid)
            self._tell({"forked": number, "pid": pid})
        for descriptor in descriptors:
            os.close(descriptor)
        return True

    def _become_worker(self, channel: int, stdout: int, stderr: int) -> None:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for sock in (self._requests, self._woken, self._wake):
            sock.close()
        os.dup2(stdout, 1)
        os.dup2(stderr, 2)
        os.close(stdout)
        os.close(stderr)
        os.set_inheritable(channel, False)
        run_and_exit(socket.socket(fileno=channel))

    def _reap(self) -> None:
        """Report the workers that have ended, and end the processes that they have left behind."""
        with suppress(ChildProcessError):  # there are none any more
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if pid == 0:
                    break
                if pid in self._workers:
                    self._workers.discard(pid)
                    self._tell({"exited": pid, "code": os.waitstatus_to_exitcode(status)})
        for orphan in _children() - self._workers:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(orphan, signal.SIGKILL)

    def _tell(self, answer: dict[str, Any]) -> None:
        with suppress(ConnectionError):  # the front is gone, which `_answer` notices
            self._requests.send(json.dumps(answer).encode())


if __name__ == "__main__":
    main(socket.socket(fileno=int(sys.argv[1])))
