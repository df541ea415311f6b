"""The host's speech process: `python -P -m voice_host.speech.embedded.process FD LOG_FORMAT LOG_LEVEL`.

The front starts it. FD is a Unix socket that listens. Standard input brings the secret of the workers' keys, a line of
hexadecimal digits, and another line when this process is to end. If it ends without one, the front was killed. Its
workers then let their callers finish, and this process ends with the last of them.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys

from voice_host.observability.logs import configure_logging
from voice_host.speech.embedded.model_threads import usable_threads
from voice_host.speech.embedded.process.server import SpeechServer
from voice_host.speech.embedded.stt.recogniser import LocalRecogniser
from voice_host.speech.embedded.tts.synthesiser import LocalSynthesiser
from voice_host.workers.confinement import make_undumpable

IDLE_S = 60.0
"""Without a worker for so long it ends, and gives its memory back. The front starts it again for the next worker."""

LAST_CALLS_S = 300.0
"""How long it serves workers of a front that was killed, at most. They leave after `server.drain_timeout_s`."""


def main() -> None:
    make_undumpable()  # it has what callers say, and agents may run as the same user
    fd, log_format, log_level = sys.argv[1:]
    secret = bytes.fromhex(sys.stdin.readline())
    configure_logging("json" if log_format == "json" else "text", log_level)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _ignored)  # they are sent to the whole host, whose calls may still go on
    with socket.socket(fileno=int(fd)) as listening:
        threads = usable_threads()
        recogniser, synthesiser = LocalRecogniser(threads + 1), LocalSynthesiser(threads + 1)
        server = SpeechServer(secret, recogniser, synthesiser, threads=threads)
        asyncio.run(_serve(server, listening))
    os._exit(0)  # threads that recognise are not waited for


def _ignored(*_: object) -> None:
    """Unlike `SIG_IGN`, not inherited."""


async def _serve(server: SpeechServer, listening: socket.socket) -> None:
    serving = asyncio.create_task(server.serve(listening, idle_s=IDLE_S))
    front_ended = asyncio.create_task(_told_to_end())
    await asyncio.wait((serving, front_ended), return_when=asyncio.FIRST_COMPLETED)
    if front_ended.done() and not front_ended.result():
        server.end_when_unused()
        await asyncio.wait((serving,), timeout=LAST_CALLS_S)
    if serving.done():
        serving.result()


async def _told_to_end() -> bool:
    """Wait for the end of the front, or of this process. Returns whether this process is to end."""
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    return bool(await reader.readline())


if __name__ == "__main__":
    main()
