"""`PhoneControl`: what an agent asks of the carrier in one call."""

from __future__ import annotations

import asyncio
import re

from voice_host.clients.call_control import CallControlFailed
from voice_host.observability import metrics
from voice_host.observability.logs import get_logger
from voice_host.phone.calls import PhoneCalls
from voice_host.phone.carrier import Carrier, CarrierError, PhoneCall
from voice_host.phone.destinations import why_no_transfer

log = get_logger(__name__)

_DESTINATION = re.compile(r"\+[1-9]\d{1,14}|sips?:[A-Za-z0-9_.!~*'()&=+$,;?/%:\[\]@-]{1,240}")


class PhoneControl:
    """The `CallControl` of one call.

    Args:
        carrier: connects the call.
        calls: has the present settings.
        call: the call.
    """

    def __init__(self, carrier: Carrier, calls: PhoneCalls, call: PhoneCall) -> None:
        self._carrier = carrier
        self._calls = calls
        self._call = call

    async def transfer(self, to: str) -> None:
        """Connect the caller to another number. The carrier ends our stream."""
        call_id = self._call_id()
        if _DESTINATION.fullmatch(to) is None:
            why = f"{to[:80]!r} is neither a telephone number, such as +15550100, nor a SIP address"
            raise self._refused("invalid", why, logged="the destination is invalid")  # it may be any text of the model
        # In a thread, because it may read files.
        not_allowed = await asyncio.to_thread(why_no_transfer, to, self._calls.settings.transfer.allow)
        if not_allowed is not None:
            raise self._refused("not_allowed", not_allowed)
        self._call.transferred = True  # before the carrier does it, since it ends our stream at once
        try:
            await self._carrier.transfer(call_id, to)
        except CarrierError as error:
            self._call.transferred = False
            raise self._refused("carrier", str(error)) from error
        except BaseException:  # the carrier did not answer in time: if the stream ends, the caller is not left alone
            self._call.transferred = False
            raise

    def _refused(self, reason: str, why: str, logged: str | None = None) -> CallControlFailed:
        """Log and count a transfer that is refused. `reason`: a label of the metric; `logged`: instead of `why`."""
        metrics.PHONE_TRANSFERS_REFUSED.labels(self._carrier.name, reason).inc()
        lease, logged = self._call.lease, logged or CarrierError(why).logged
        log.warning("phone_transfer_refused", agent_id=lease.agent_id, session_id=lease.session_id, reason=logged)
        return CallControlFailed(why)

    async def send_digits(self, digits: str) -> None:
        """Play telephone keys into the call."""
        try:
            await self._carrier.send_digits(self._call_id(), digits)
        except CarrierError as error:
            raise CallControlFailed(str(error)) from error

    def _call_id(self) -> str:
        if self._call.channel.call_id is None or self._call.status == "over":
            raise CallControlFailed("the call is over")
        return self._call.channel.call_id
