"""The host's speech process: `python -P -m voice_host.speech.embedded.process FD LOG_FORMAT LOG_LEVEL`.

The front starts it. FD is a Unix socket that listens. Standard input brings the secret of the workers' keys, a line of
hexadecimal digits, and ends with the host: then this process ends, too.
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
    host_ended = asyncio.create_task(_end_of_input())
    await asyncio.wait((serving, host_ended), return_when=asyncio.FIRST_COMPLETED)
    if serving.done():
        serving.result()


async def _end_of_input() -> None:
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while await reader.read(1024):
        pass


if __name__ == "__main__":
    main()
