"""The host's speech process, with real processes and real speech."""

from __future__ import annotations

import asyncio
import os
import signal
import stat
import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.docs.markdown import ROOT
from tests.speech.embedded.speech import clip
from voice_host.settings import SpeechProcessSpec, built_in_services, load_settings
from voice_host.speech.embedded.process.client import RemoteRecogniser, RemoteSynthesiser
from voice_host.speech.embedded.tts.synthesiser import LocalSynthesiser
from voice_host.speech.host_process import SpeechAddress
from voice_host.supervisor.speech_process import SpeechProcess
from voice_host.workers.confinement import landlock_version
from voice_host_sdk import ProviderError

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="workers are processes on Linux alone")

WEATHER, ASKED = clip("whats_the_weather_like.wav"), "What's the weather like?"


def process_of_the_host(spec: SpeechProcessSpec | None = None) -> SpeechProcess:
    return SpeechProcess(load_settings(environ={}).server, spec)


@pytest.fixture
async def process() -> AsyncIterator[SpeechProcess]:
    process = process_of_the_host()
    await process.open()
    yield process
    await process.aclose()


@pytest.fixture
async def recogniser(process: SpeechProcess) -> AsyncIterator[RemoteRecogniser]:
    recogniser = RemoteRecogniser(address(process))
    yield recogniser
    await recogniser.aclose()


@pytest.fixture
async def synthesiser(process: SpeechProcess) -> AsyncIterator[RemoteSynthesiser]:
    synthesiser = RemoteSynthesiser(address(process))
    yield synthesiser
    await synthesiser.aclose()


def address(process: SpeechProcess, agent_id: str = "front-desk") -> SpeechAddress:
    assert process.socket_path is not None
    return SpeechAddress(process.socket_path, agent_id, process.key_for(agent_id))


async def ended(pid: int) -> None:
    """Wait until a process that may not be a child of this one has ended."""
    descriptor, loop = os.pidfd_open(pid), asyncio.get_running_loop()
    over = asyncio.Event()
    loop.add_reader(descriptor, over.set)
    await over.wait()
    loop.remove_reader(descriptor)
    os.close(descriptor)


async def test_it_is_started_at_first_use_and_recognises_and_speaks_as_in_process(
    process: SpeechProcess, recogniser: RemoteRecogniser, synthesiser: RemoteSynthesiser
) -> None:
    assert process.pid is None
    assert await recogniser.recognise(WEATHER) == ASKED
    assert process.pid is not None
    local = LocalSynthesiser()
    text = "The museum opens at nine. On Tuesday it is closed! " + "It is open on the other days, " * 20
    assert [one async for one in synthesiser.speak(text)] == [one async for one in local.speak(text)]
    await local.aclose()


async def test_it_has_no_keys_and_a_group_of_its_own(
    process: SpeechProcess, recogniser: RemoteRecogniser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASSEMBLYAI_API_KEY", "a-secret")
    await recogniser.warm()
    assert process.pid is not None
    environment = await asyncio.to_thread(Path(f"/proc/{process.pid}/environ").read_bytes)
    assert b"secret" not in environment
    assert b"PATH=" in environment
    assert os.getpgid(process.pid) == os.getsid(process.pid) == process.pid
    os.kill(process.pid, signal.SIGTERM)  # a service manager sends it to the whole host, whose calls may go on
    assert await recogniser.recognise(WEATHER) == ASKED


async def test_two_workers_share_it(process: SpeechProcess) -> None:
    """Two processes use one process at the same time."""
    program = (
        "import asyncio, sys; from tests.speech.embedded.process.worker import run; asyncio.run(run(*sys.argv[1:]))"
    )
    workers = []
    for agent_id in ("front-desk", "night-desk"):
        worker = address(process, agent_id)
        arguments = (sys.executable, "-c", program, worker.path, worker.agent_id, worker.key)
        workers.append(await asyncio.create_subprocess_exec(*arguments, stdout=asyncio.subprocess.PIPE))
    heard = [(await worker.communicate())[0].decode().strip() for worker in workers]
    assert heard == [f"{ASKED} onnxruntime: False"] * 2


@pytest.mark.skipif(landlock_version() == 0, reason="this kernel has no Landlock")
async def test_a_worker_that_may_open_no_files_of_the_host_uses_it(process: SpeechProcess) -> None:
    """The folder of the socket is none of those that it may read."""
    program = """
import asyncio, sys
from voice_host.workers.confinement import Confinement, confine
confine(Confinement(landlock=True, read=tuple(sys.argv[4:])))
from tests.speech.embedded.process.worker import run
asyncio.run(run(*sys.argv[1:4]))
"""
    worker = address(process)
    readable = [*sys.path, str(ROOT), sys.prefix, sys.base_prefix, "/usr", "/lib", "/proc", "/sys", "/etc", "/dev"]
    arguments = (sys.executable, "-c", program, worker.path, worker.agent_id, worker.key, *readable)
    confined = await asyncio.create_subprocess_exec(*arguments, stdout=asyncio.subprocess.PIPE)
    assert (await confined.communicate())[0].decode().strip() == f"{ASKED} onnxruntime: False"


async def test_what_is_in_progress_when_it_dies_fails_and_the_next_request_brings_it_back(
    process: SpeechProcess, recogniser: RemoteRecogniser
) -> None:
    await recogniser.warm()
    first = process.pid
    assert first is not None
    os.kill(first, signal.SIGSTOP)
    asked = asyncio.create_task(recogniser.recognise(WEATHER))
    await asyncio.sleep(0.05)
    os.kill(first, signal.SIGKILL)
    with pytest.raises(ProviderError) as lost:
        await asked
    assert (lost.value.code, lost.value.retryable) == ("stt_failed", True)
    assert await recogniser.recognise(WEATHER) == ASKED
    assert process.pid not in (None, first)


async def test_when_the_host_is_killed_it_ends_with_its_last_worker() -> None:
    program = """
import asyncio
from tests.speech.embedded.process.test_process import RemoteRecogniser, address, process_of_the_host

async def main():
    process = process_of_the_host()
    await process.open()
    where = address(process)
    await RemoteRecogniser(where).warm()
    print(process.pid, where.path, where.agent_id, where.key, flush=True)
    await asyncio.sleep(600)

asyncio.run(main())
"""
    host = await asyncio.create_subprocess_exec(sys.executable, "-c", program, stdout=asyncio.subprocess.PIPE)
    assert host.stdout is not None
    pid, *where = (await host.stdout.readline()).decode().split()
    gone = asyncio.create_task(ended(int(pid)))
    worker = RemoteRecogniser(SpeechAddress(*where))
    await worker.warm()
    host_gone = asyncio.create_task(ended(host.pid))
    host.kill()
    await host_gone
    assert await worker.recognise(WEATHER) == ASKED
    assert not gone.done()
    await worker.aclose()
    await gone
    await host.wait()


async def test_its_socket_is_removed_and_it_ends_when_the_host_stops(process: SpeechProcess) -> None:
    recogniser = RemoteRecogniser(address(process))
    await recogniser.warm()
    assert process.pid is not None
    path, gone = Path(address(process).path), asyncio.create_task(ended(process.pid))
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o711  # nobody else finds out what is in it
    await process.aclose()
    await gone
    assert not path.parent.exists()
    with pytest.raises(ProviderError) as failed:
        await recogniser.recognise(WEATHER)
    assert failed.value.code == "stt_failed"
    await recogniser.aclose()


async def test_one_that_cannot_start_is_tried_again_with_longer_waits(caplog: pytest.LogCaptureFixture) -> None:
    process = process_of_the_host(
        SpeechProcessSpec(module="voice_host.no_such_module", imports=(), problem=lambda: None)
    )
    await process.open()
    recogniser = RemoteRecogniser(address(process))
    asked = asyncio.create_task(recogniser.warm())
    while sum(record.message == "speech_process_lost" for record in caplog.records) < 3:  # noqa: ASYNC110
        await asyncio.sleep(0.05)
    waits = [record.again_in_s for record in caplog.records if record.message == "speech_process_lost"]
    assert waits == sorted(waits)
    asked.cancel()
    await process.aclose()
    await recogniser.aclose()


async def test_without_the_engines_there_is_no_socket() -> None:
    process = process_of_the_host(SpeechProcessSpec(module="any", imports=(), problem=lambda: "It does not run here."))
    await process.open()
    assert process.socket_path is None
    await process.aclose()


async def test_without_a_folder_for_the_socket_workers_load_the_models_themselves(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / ("a" * 100)  # a socket's path may have 107 characters
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    process = process_of_the_host()
    await process.open()
    assert process.socket_path is None
    assert "speech_process_off" in caplog.text
    assert not any(folder.iterdir())
    await process.aclose()


def test_one_service_has_a_process() -> None:
    """`Order` has one socket."""
    assert len([service for service in built_in_services() if service.process is not None]) == 1
