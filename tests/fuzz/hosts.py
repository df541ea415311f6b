"""A host for tests whose client has no event loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.front.hosting import installed, running
from tests.sample_plugins import HELLO


@contextmanager
def hosted(folder: Path, toml: str) -> Iterator[str]:
    """Run a host on a thread of its own. Yields its address."""
    started, addresses = threading.Event(), list[str]()

    async def serve(stop: asyncio.Event) -> None:
        async with running(folder, toml, allow="hello,sick") as r:
            addresses.append(r.address)
            started.set()
            await stop.wait()

    with asyncio.Runner() as runner, installed(folder) as plugins:
        plugins.install("hello", HELLO)
        plugins.install("sick", "raise RuntimeError('no database')")
        stop = asyncio.Event()
        loop = runner.get_loop()
        thread = threading.Thread(target=runner.run, args=(serve(stop),))
        thread.start()
        try:
            assert started.wait(30)
            yield f"http://{addresses[0]}"
        finally:
            loop.call_soon_threadsafe(stop.set)
            thread.join()
