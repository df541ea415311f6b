"""`PhoneService`: the carriers of a host and their calls."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from types import MappingProxyType

from voice_host.clients.close_codes import CloseCode
from voice_host.observability.logs import get_logger
from voice_host.phone import telnyx, twilio, vonage
from voice_host.phone.calls import PhoneCalls
from voice_host.phone.carrier import Carrier, CarrierError, Occasion, PhoneCall
from voice_host.phone.outbound import OutboundCalls
from voice_host.settings import PhoneSettings
from voice_host.tasks import in_background

log = get_logger(__name__)

Make = Callable[[PhoneSettings, PhoneCalls], Carrier | None]
"""Creates a carrier; None: the settings do not set it up."""

CARRIERS: Mapping[str, Make] = {telnyx.NAME: telnyx.make, twilio.NAME: twilio.make, vonage.NAME: vonage.make}
"""The carriers that there are, by their names in the settings."""

LAST_REQUESTS_S = 5.0
"""How long the host waits, when it ends, for requests that end calls."""

_OCCASIONS: Mapping[CloseCode | None, Occasion] = MappingProxyType(
    {
        None: "failed",
        CloseCode.INTERNAL_ERROR: "failed",
        CloseCode.COULD_NOT_START: "failed",
        CloseCode.COME_BACK: "failed",
        CloseCode.NO_SUCH_AGENT: "unavailable",
        CloseCode.AGENT_BROKEN: "unavailable",
        CloseCode.DRAINING: "unavailable",
        CloseCode.OVER_A_LIMIT: "failed",  # audio or messages over a limit
    }
)
"""What a caller is told whose stream was closed with a code. None: the stream was lost while the call went on."""


class PhoneService:
    """The carriers that `[phone]` sets up, and the calls. Belongs to one event loop.

    Args:
        settings: of the start; accounts of carriers do not change until the next.
        calls: those under way.

    Attributes:
        calls: see above.
        carriers: by name.
        outbound: the calls that the host makes.
    """

    def __init__(self, settings: PhoneSettings, calls: PhoneCalls) -> None:
        self.calls = calls
        made = {name: make(settings, calls) for name, make in CARRIERS.items()}
        self.carriers: Mapping[str, Carrier] = {name: each for name, each in made.items() if each is not None}
        self.outbound = OutboundCalls(self.carriers, calls)
        self._requests: set[asyncio.Task[None]] = set()

    def stream_closed(self, call: PhoneCall, close_code: CloseCode | None) -> None:
        """Hang up a call whose media stream is over, after a sentence if it has failed. Idempotent.

        The caller does not wait for what the agent still has to finish. Until then, the call keeps its lease.

        Args:
            call: an agent had it.
            close_code: with which the host closed the stream; None: the stream was lost.
        """
        if call.settled.is_set():
            return
        occasion = _OCCASIONS.get(close_code)
        if call.transferred:
            call.outcome = "transferred"
        elif occasion is not None:
            call.outcome, call.farewell = "failed", self.calls.sentence(occasion)
        else:
            call.outcome = "completed"
        call.settled.set()
        if call.transferred:
            return
        request = in_background(self._part(call), "phone-hang-up", of=call.lease.session_id)
        self._requests.add(request)
        request.add_done_callback(self._requests.discard)

    def stream_ended(self, call: PhoneCall, close_code: CloseCode | None) -> None:
        """End a call whose agent has finished.

        Args:
            call, close_code: as for `stream_closed`, if that was not called before.
        """
        self.stream_closed(call, close_code)
        self.calls.end(call, call.outcome)

    async def _part(self, call: PhoneCall) -> None:
        carrier, call_id = self.carriers[call.channel.name], call.channel.call_id
        try:
            if call.farewell is not None:
                await carrier.say_and_hang_up(call, call.farewell)
            elif call_id is not None:
                await carrier.hang_up(call_id)
        except CarrierError as error:
            session_id = call.lease.session_id
            log.warning("phone_call_not_hung_up", carrier=carrier.name, session_id=session_id, error=error.logged)

    async def settle(self) -> None:
        """Wait until the calls that are ending have ended, and their callers were told why. Takes 5 s at most."""
        with suppress(TimeoutError):
            async with asyncio.timeout(LAST_REQUESTS_S):
                for call in self.calls.streaming:
                    await call.ended.wait()
                while self._requests:
                    await asyncio.wait(self._requests)

    async def aclose(self) -> None:
        """Finish the requests that end calls, hang up what rings, and release the carriers' connections. Idempotent."""
        await self.settle()
        await self.outbound.aclose()
        for task in self._requests:
            task.cancel()
        if self._requests:
            await asyncio.wait(self._requests)
        for carrier in self.carriers.values():
            await carrier.aclose()
