"""What all tests share: a guard against code of ours that blocks the event loop, and how often chance is tried."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from asyncio import AbstractEventLoop
from collections.abc import Callable, Iterator
from pathlib import Path

import anyio.to_thread
import pytest
from blockbuster import blockbuster_ctx

import voice_host.models.fallback
import voice_host.models.gateway  # noqa: F401 - here, where no loop runs: whatever test is the first to need it
from tests.fuzz import profile
from tests.groups import TestModule, needs_speech
from tests.loopback_time import LoopbackLoop, run_sync, wrap_future
from voice_host.observability.transcript_log import log_transcripts
from voice_host.settings import built_in_services

built_in_services()  # reads the specs of speech services, for the same reason

profile.register()

os.environ["PYTHON_DOTENV_DISABLED"] = "1"
"""No test, and no process that a test starts, reads a developer's `.env`. The few tests of `.env` unset it."""

ON_THE_LOOP = [
    f"voice_host.{room}"
    for room in (
        "auth",
        "call",
        "clients",
        "conversation",
        "fleet",
        "front",
        "models",
        "sessions",
        "speech",
        "text",
        "turns",
    )
]
"""The rooms whose code runs while calls go on; discovery and settings do their work before."""

ONCE = {
    "voice_host/settings/load.py": {"load_settings"},
    "voice_host/plugins/extensions.py": {"load_extensions"},
    "voice_host/speech/select.py": {"_shared"},
    # Choosing a model imports its client, which reads files of its own. In a call that is done in a thread.
    "voice_host/conversation/runtime.py": {"default_runtime"},
    "voice_host/fleet/agent_setup.py": {"prepare"},
    "voice_host/fleet/check.py": {"check_agents"},  # in a process that takes no calls
    "voice_host/auth/key_ring.py": {"__init__"},
    "voice_host/auth/token_secret.py": {"secret_beside"},
    "voice_host/auth/key_file.py": {"add", "revoke"},  # the command line's
    "voice_host/caller/run.py": {"_own_host"},
}
"""What reads files when a manager or a handler is made, not while it works."""

NEVER = {"voice_host/supervisor/caller_socket.py": {"_when_ready"}}
"""What uses a socket with `MSG_DONTWAIT`: the guard looks only at whether the socket is in blocking mode."""


def pytest_asyncio_loop_factories(item: pytest.Item) -> dict[str, Callable[[], AbstractEventLoop]]:
    """Run async tests in virtual time, unless they are marked `real_time`."""
    return {"loop": asyncio.SelectorEventLoop if item.get_closest_marker("real_time") else LoopbackLoop}


def pytest_pycollect_makemodule(module_path: Path, parent: pytest.Collector) -> pytest.Module:
    module: pytest.Module = TestModule.from_parent(parent, path=module_path)
    return module


@pytest.fixture(scope="session")
def embedded_speech() -> Iterator[None]:
    """For tests that recognise or speak with the embedded engines, or need a host that could.

    No virtual time passes while their threads work.
    """
    needs_speech()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(asyncio, "wrap_future", wrap_future)
        yield


@pytest.fixture(autouse=True)
def nothing_blocks_the_event_loop() -> Iterator[None]:
    """Sleeping, waiting for a socket or a lock within a coroutine of the host raises `BlockingError`."""
    with blockbuster_ctx(ON_THE_LOOP, excluded_modules=["voice_host.caller"]) as guard:  # it matches by prefix
        for function in guard.functions.values():
            for file, names in (ONCE | NEVER).items():
                function.can_block_in(file, names)
        yield


@pytest.fixture(autouse=True)
def logging_stays_as_it_was() -> Iterator[None]:
    """Verbs of the command line that run within this process configure all of its logging."""
    loggers = {name: logging.getLogger(name) for name in (None, "voice_host", "voice_host_sdk")}
    handlers, levels = loggers[None].handlers, {name: logger.level for name, logger in loggers.items()}
    yield
    for handler in loggers[None].handlers:
        if handler not in handlers:
            handler.close()
    loggers[None].handlers = handlers
    for name, logger in loggers.items():
        logger.setLevel(levels[name])
    log_transcripts(False)


@pytest.fixture(scope="session", autouse=True)
def _threads_of_libraries_count() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(anyio.to_thread, "run_sync", run_sync)
        yield


@pytest.fixture(scope="session", autouse=True)
def _children_hear_signals() -> None:
    """Who starts the tests in the background of a shell, or with `nohup`, hands ignored signals on; hosts keep them."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
