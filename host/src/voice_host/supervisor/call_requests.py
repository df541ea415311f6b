"""Requests of a worker to the carriers of its calls, which need the platform's keys."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from voice_host.admission.rates import TokenBucket
from voice_host.clients.call_control import CallControl, CallControlFailed
from voice_host.observability.logs import get_logger
from voice_host.tasks import in_background
from voice_host.workers.messages import ControlCall, ControlResult

log = get_logger(__name__)

REQUESTS_PER_S = 5.0
REQUESTS_BURST = 20
"""Most requests of a worker to carriers. Twilio takes 1 a second of a new account, others 10 and more."""

REQUEST_TIMEOUT_S = 10.0
"""How long a carrier may take. The APIs of carriers answer within 1 s."""


class CallRequests:
    """Performs the requests of one worker.

    Args:
        send: sends the outcome to the worker.
    """

    def __init__(self, send: Callable[[ControlResult], bool]) -> None:
        self._send = send
        self._rate = TokenBucket(REQUESTS_PER_S, REQUESTS_BURST, asyncio.get_running_loop().time)

    def receive(self, request: ControlCall, control: CallControl | None) -> None:
        """Perform a request in the background, and answer it.

        Args:
            control: of the call; None: the worker has no such call, or no carrier's.
        """
        if control is None:
            self._answer(request, "the call is over")
        elif not self._rate.take():
            self._answer(request, "too many requests at once")
        else:
            in_background(self._perform(request, control), "control-call", of=str(request.call))

    async def _perform(self, request: ControlCall, control: CallControl) -> None:
        act = {"transfer": control.transfer, "send_digits": control.send_digits}[request.action]
        error: str | None = "the carrier could not be reached"
        try:
            async with asyncio.timeout(REQUEST_TIMEOUT_S):
                await act(request.argument)
            error = None
        except TimeoutError:
            error = "the carrier did not answer in time"
        except CallControlFailed as failed:
            error = str(failed)
        except Exception as unexpected:
            log.error("control_failed", action=request.action, exc_info=unexpected)
        self._answer(request, error)

    def _answer(self, request: ControlCall, error: str | None) -> None:
        self._send(ControlResult(call=request.call, number=request.number, error=error))
