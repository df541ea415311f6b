"""The boundary around plugins' code: what it raises goes no further, and what the host wants always counts."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import pytest

from voice_host.tenancy import PluginError, PluginTimeout, contained, isolated, pool_for, type_of

Guard = Callable[[Callable[[], Awaitable[Any]]], Awaitable[Any]]

GUARDS = [pytest.param(contained, id="contained"), pytest.param(partial(isolated, name="test"), id="isolated")]


class Panic(BaseException):
    """As Rust extensions raise it."""


async def raises(error: BaseException) -> None:
    await asyncio.sleep(0)
    raise error


@pytest.mark.parametrize("guard", GUARDS)
@pytest.mark.parametrize("kind", [Panic, SystemExit, KeyboardInterrupt, GeneratorExit, asyncio.CancelledError])
async def test_what_is_no_exception_comes_out_as_one(guard: Guard, kind: type[BaseException]) -> None:
    with pytest.raises(PluginError) as caught:
        await guard(lambda: raises(kind()))
    assert type_of(caught.value) == kind.__name__


@pytest.mark.parametrize("guard", GUARDS)
async def test_exceptions_and_results_come_out_as_they_are(guard: Guard) -> None:
    with pytest.raises(ValueError, match="no"):
        await guard(lambda: raises(ValueError("no")))
    assert await guard(lambda: asyncio.sleep(0, "result")) == "result"


@pytest.mark.parametrize("guard", GUARDS)
@pytest.mark.parametrize("makes_of_it", ["raises it", "swallows it", "ValueError", "Panic", "KeyboardInterrupt"])
async def test_a_cancellation_by_the_host_is_one_whatever_the_code_makes_of_it(guard: Guard, makes_of_it: str) -> None:
    begun = asyncio.Event()

    async def code() -> str:
        begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            if makes_of_it == "raises it":
                raise
            if makes_of_it == "swallows it":
                return "a result"
            raise {"ValueError": ValueError, "Panic": Panic, "KeyboardInterrupt": KeyboardInterrupt}[
                makes_of_it
            ] from None
        return "never"

    async def host() -> None:
        await guard(code)
        raise AssertionError("the cancellation was swallowed")

    task = asyncio.create_task(host())
    await begun.wait()
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()


@pytest.mark.parametrize("guard", GUARDS)
async def test_a_time_limit_of_the_host_is_one_whatever_the_code_makes_of_it(guard: Guard) -> None:
    async def code() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            raise ValueError

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await guard(code)


async def test_a_time_limit_of_its_own() -> None:
    with pytest.raises(PluginTimeout):
        await isolated(asyncio.Event().wait, name="test", timeout_s=0.01)
    with pytest.raises(TimeoutError):  # the code's own is not taken for it
        await isolated(lambda: raises(TimeoutError()), name="test", timeout_s=60)


async def test_code_that_cancels_its_own_task_cancels_nothing_else() -> None:
    async def code() -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        await asyncio.sleep(1)

    with pytest.raises(PluginError):
        await isolated(code, name="test")


async def test_code_that_ignores_its_cancellation_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("voice_host.tenancy.boundary.STOP_TIMEOUT_S", 0.01)
    released, ended = asyncio.Event(), asyncio.Event()

    async def code() -> None:
        while not released.is_set():
            try:
                await released.wait()
            except asyncio.CancelledError:
                gc.collect()  # nobody but the boundary holds it
        ended.set()

    with pytest.raises(PluginTimeout):
        await isolated(code, name="test", timeout_s=0.01)
    released.set()
    await ended.wait()


async def test_a_coroutine_that_python_closes_is_closed() -> None:
    raised: list[BaseException] = []

    async def guarded() -> None:
        try:
            await contained(asyncio.Event().wait)
        except BaseException as error:
            raised.append(error)
            raise

    waiting = guarded()
    task = asyncio.create_task(waiting)
    await asyncio.sleep(0)
    waiting.close()  # as the garbage collector does it, outside of the task
    assert [type(error) for error in raised] == [GeneratorExit]
    task.cancel()
    with pytest.raises(RuntimeError):
        await task


async def test_a_stop_iteration_in_a_thread_comes_out() -> None:
    def code() -> None:
        raise StopIteration

    pool = pool_for("test")
    async with asyncio.timeout(10):
        with pytest.raises(PluginError) as caught:
            await asyncio.get_running_loop().run_in_executor(pool, code)
    assert type_of(caught.value) == "StopIteration"
    pool.shutdown()
