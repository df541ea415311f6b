"""Collecting garbage while calls talk."""

from __future__ import annotations

import gc
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.front.hosting import running
from voice_host.front.app import create_host_app
from voice_host.front.process import HostServer


@pytest.fixture
def collector_as_it_was() -> Iterator[None]:
    thresholds = gc.get_threshold()
    gc.set_threshold(700, 10, 10)  # as in a new process: a host that an earlier test ran has changed them
    yield
    gc.unfreeze()
    gc.set_threshold(*thresholds)


@pytest.mark.usefixtures("collector_as_it_was")
async def test_a_host_that_takes_calls_collects_what_start_up_made_never_and_the_rest_seldom(tmp_path: Path) -> None:
    young, middle, full = gc.get_threshold()
    async with running(tmp_path) as r:

        def started() -> None:
            assert gc.get_freeze_count() > 10_000
            assert gc.get_threshold()[:2] == (young, middle)
            assert gc.get_threshold()[2] > 10 * full
            server.should_exit = True

        server = HostServer(create_host_app(r.agents, r.settings), r.agents, r.settings, started)
        with socket.create_server(("127.0.0.1", 0)) as listener:
            await server.serve(sockets=[listener])
        assert server.should_exit
