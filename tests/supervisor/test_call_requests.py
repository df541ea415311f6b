"""Requests of workers to carriers: only for calls that they have, bounded, and always answered."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import pytest

from voice_host.clients.call_control import CallControlFailed
from voice_host.supervisor.call_requests import REQUESTS_BURST, CallRequests
from voice_host.testing import TestCarrier, in_virtual_time
from voice_host.workers.call_control import MAX_REQUESTS, FrontRequests
from voice_host.workers.messages import ControlCall, ControlResult


@dataclass
class Pair:
    """A worker and the front, without a channel between. `calls`: those that the worker has."""

    calls: dict[int, TestCarrier] = field(default_factory=dict)
    open: bool = True
    answers: bool = True

    def __post_init__(self) -> None:
        self.worker = FrontRequests(self._to_front)
        self.front = CallRequests(self._to_worker)

    def _to_front(self, request: ControlCall) -> bool:
        if self.open:
            self.front.receive(request, self.calls.get(request.call))
        return self.open

    def _to_worker(self, result: ControlResult) -> bool:
        if self.answers:
            self.worker.receive(result)
        return True


@in_virtual_time
async def test_a_worker_reaches_the_carrier_of_its_call() -> None:
    carrier = TestCarrier()
    control = Pair({7: carrier}).worker.control(7)
    await control.transfer("+15550142")
    await control.send_digits("1w2")
    assert (carrier.transfers, carrier.digits_sent) == (["+15550142"], ["1w2"])


@in_virtual_time
async def test_a_refusal_is_told() -> None:
    carrier = TestCarrier()
    carrier.refuses = "the number is not allowed"
    with pytest.raises(CallControlFailed, match=r"^the number is not allowed$"):
        await Pair({7: carrier}).worker.control(7).transfer("+15550142")


@in_virtual_time
async def test_a_fault_of_the_carriers_is_told_without_details() -> None:
    class Faulty(TestCarrier):
        async def transfer(self, to: str) -> None:
            raise RuntimeError("secret")

    with pytest.raises(CallControlFailed, match=r"^the carrier could not be reached$"):
        await Pair({7: Faulty()}).worker.control(7).transfer("+15550142")


@in_virtual_time
async def test_calls_that_a_worker_does_not_have_are_out_of_reach() -> None:
    with pytest.raises(CallControlFailed, match=r"^the call is over$"):
        await Pair({7: TestCarrier()}).worker.control(8).transfer("+15550142")


@in_virtual_time
async def test_a_carrier_that_takes_too_long_is_given_up() -> None:
    class Slow(TestCarrier):
        async def transfer(self, to: str) -> None:
            await asyncio.sleep(3600)

    with pytest.raises(CallControlFailed, match="did not answer in time"):
        await Pair({7: Slow()}).worker.control(7).transfer("+15550142")


@in_virtual_time
async def test_a_front_that_does_not_answer_or_is_gone_is_given_up() -> None:
    with pytest.raises(CallControlFailed, match="did not answer in time"):
        await Pair({7: TestCarrier()}, answers=False).worker.control(7).transfer("+15550142")
    with pytest.raises(CallControlFailed, match="was lost"):
        await Pair({7: TestCarrier()}, open=False).worker.control(7).transfer("+15550142")

    pair = Pair({7: TestCarrier()}, answers=False)
    asking = asyncio.create_task(pair.worker.control(7).transfer("+15550142"))
    await asyncio.sleep(1)
    pair.worker.front_lost()
    with pytest.raises(CallControlFailed, match="was lost"):
        await asking


@in_virtual_time
async def test_requests_are_bounded_on_both_sides() -> None:
    carrier = TestCarrier()
    pair = Pair({7: carrier})
    asked = [pair.worker.control(7).send_digits("1") for _ in range(REQUESTS_BURST + 5)]
    refused = [error for error in await asyncio.gather(*asked, return_exceptions=True) if error is not None]
    assert [str(error) for error in refused] == ["too many requests at once"] * 5
    assert len(carrier.digits_sent) == REQUESTS_BURST

    pair = Pair({7: carrier}, answers=False)
    waiting = [asyncio.create_task(pair.worker.control(7).send_digits("1")) for _ in range(MAX_REQUESTS)]
    await asyncio.sleep(0.1)
    with pytest.raises(CallControlFailed, match=r"^too many requests at once$"):
        await pair.worker.control(7).send_digits("1")
    await asyncio.wait(waiting)
    assert all(task.exception() for task in waiting)
