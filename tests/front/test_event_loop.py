"""The process's event loop goes on whatever a task that nobody awaits raises."""

from __future__ import annotations

import asyncio
import os
import signal

import pytest

from voice_host.tenancy.event_loop import run_in_event_loop


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt])
def test_a_stray_exit_of_a_task_or_a_callback_ends_nothing(kind: type[BaseException]) -> None:
    seen: list[str] = []

    async def stray() -> None:
        raise kind

    def callback() -> None:
        raise kind

    async def main() -> None:
        task = asyncio.create_task(stray())
        await asyncio.wait([task])
        seen.append("after the task")
        asyncio.get_running_loop().call_soon(callback)
        asyncio.get_running_loop().call_later(0.01, callback)
        await asyncio.sleep(0.05)
        seen.append("after the callbacks")

    run_in_event_loop(main())
    assert seen == ["after the task", "after the callbacks"]


@pytest.mark.fault("plugin: stops the event loop")
def test_stopping_the_event_loop_ends_nothing() -> None:
    seen: list[str] = []

    async def main() -> None:
        asyncio.get_running_loop().stop()
        await asyncio.sleep(0.01)
        seen.append("after the stop")

    run_in_event_loop(main())
    assert seen == ["after the stop"]


@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt, ValueError, RuntimeError])
def test_what_the_main_coroutine_raises_is_raised(kind: type[BaseException]) -> None:
    async def main() -> None:
        raise kind

    with pytest.raises(kind):
        run_in_event_loop(main())


@pytest.mark.skipif(os.name == "nt", reason="signals")
def test_ctrl_c_cancels_the_main_coroutine() -> None:
    seen: list[str] = []

    async def main() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        try:
            await asyncio.Event().wait()
        finally:
            seen.append("cleaned up")

    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        run_in_event_loop(main())
    assert seen == ["cleaned up"]
    assert signal.getsignal(signal.SIGINT) is before
