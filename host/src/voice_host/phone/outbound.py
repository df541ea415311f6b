"""`OutboundCalls`: the calls that the host makes, from the request to the end of the call."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any

from voice_host.auth.addresses import split_address
from voice_host.observability import metrics
from voice_host.observability.logs import get_logger
from voice_host.phone.attempts import Attempts
from voice_host.phone.calls import CONNECT_TIMEOUT_S, NOT_CONNECTED, PhoneCalls, Refused
from voice_host.phone.carrier import Carrier, CarrierError, Detection, Dial, PhoneCall
from voice_host.phone.destinations import why_not_allowed
from voice_host.settings.phone import LONGEST_CALL_S
from voice_host.tasks import in_background
from voice_host_sdk import Caller, Channel

log = get_logger(__name__)

MAX_KEPT = 1000
"""How many outbound calls are remembered, for their status and for repeated requests. Of those, calls under way are
never forgotten."""

RING_GRACE_S = 15.0
"""How much later than it should the carrier may report that nobody answered."""

PAUSES_BEFORE_HANGING_UP = (0.0, 1.0, 5.0)
"""Before each attempt to hang up a call whose time is over. Carriers that enforce a limit of their own do it anyway."""

LAST_HANG_UPS_S = 5.0
"""How long a host that stops waits for carriers to hang up."""

DRAIN_CHECK_S = 1.0
"""How often a call that rings looks whether the host shuts down."""

TIME_LIMIT = "the time limit of the call"
SHUTTING_DOWN = "the host shut down"


class DialRefused(Exception):
    """A call that is not made. The message and `hint` are for the client.

    Attributes:
        status: of the HTTP answer.
        hint: what to do.
        retry_after_s: when it may be tried again; None: it is not known.
    """

    def __init__(self, status: int, message: str, hint: str | None = None, *, retry_after_s: int | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.hint = hint
        self.retry_after_s = retry_after_s


@dataclass(frozen=True, slots=True)
class DialOrder:
    """What a client asks for.

    Attributes:
        address: of the agent: its id, or `<id>@<alias or version>`.
        to_number: whom to call, in E.164 form.
        from_number: one of the agent's numbers; None: its only one.
        metadata: for `Session.metadata`.
        ring_s: how long to let it ring.
        max_call_s: time limit of the call; None: that of the settings.
        detection: answering-machine detection.
    """

    address: str
    to_number: str
    from_number: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    ring_s: int = 30
    max_call_s: int | None = None
    detection: Detection = "off"


class OutboundCalls:
    """The calls that a host makes. Belongs to one event loop.

    Args:
        carriers: those that are set up, by name.
        calls: the telephone calls of the host.
    """

    def __init__(self, carriers: Mapping[str, Carrier], calls: PhoneCalls) -> None:
        self._carriers = carriers
        self._calls = calls
        self._attempts = Attempts(lambda: calls.settings.outbound)
        self._made: OrderedDict[str, PhoneCall] = OrderedDict()  # by session id, the oldest first
        self._repeatable: OrderedDict[tuple[str, ...], tuple[DialOrder, PhoneCall]] = OrderedDict()  # by request
        self._requests: set[asyncio.Task[None]] = set()

    async def dial(
        self, order: DialOrder, *, key_id: str | None = None, repeatable_as: str | None = None
    ) -> tuple[PhoneCall, bool]:
        """Call a number. Returns the call, which rings, and whether this is a repeated request for the same call.

        Args:
            order: what is asked for.
            key_id: the API key of the client.
            repeatable_as: the client's name for the request. If it is repeated, nobody is called again.

        Raises:
            DialRefused: no call is made.
        """
        outbound = self._calls.settings.outbound
        if outbound.why_off is not None:
            raise DialRefused(409, outbound.why_off, "see the how-to guide Put an agent on a phone number")
        # In a thread, because it may read files.
        why = await asyncio.to_thread(why_not_allowed, order.to_number, outbound.allow)
        request = (split_address(order.address)[0], key_id or "", repeatable_as or "")
        if repeatable_as is not None and (known := self._repeatable.get(request)) is not None:
            before, call = known
            if before != order:
                raise DialRefused(422, "this Idempotency-Key was used for another call", "use a new one for each call")
            return call, True
        if why is not None:
            raise DialRefused(422, why)
        from_number, carrier = self._line(order)
        call = self._admit(order, from_number, carrier, key_id)
        self.remember(call)
        if repeatable_as is not None:
            self._repeatable[request] = order, call
        await self._place(call, order, carrier)
        return call, False

    def of_agent(self, agent_id: str) -> list[PhoneCall]:
        """Return the calls of an agent that are remembered, the newest first."""
        return [call for call in reversed(self._made.values()) if call.lease.agent_id == agent_id]

    def find(self, agent_id: str, session_id: str) -> PhoneCall | None:
        """Return a call of an agent, given the id of its session; None: it is not known, or not remembered any more."""
        call = self._made.get(session_id)
        return call if call is not None and call.lease.agent_id == agent_id else None

    async def hang_up(self, call: PhoneCall, reason: str = "hung up by a client") -> None:
        """End a call. That it is over already is no error.

        Raises:
            CarrierError: the carrier did not end it, and it may go on.
        """
        if call.status == "over":
            return
        if call.channel.call_id is not None:
            await self._carriers[call.channel.name].hang_up(call.channel.call_id)
        self._calls.end(call, _outcome(call), reason)

    async def aclose(self) -> None:
        """Hang up the calls that are not over, for `LAST_HANG_UPS_S` at most. Idempotent."""
        for call in self._made.values():
            if call.status != "over":
                self._in_background(self._hang_up_for_certain(call, SHUTTING_DOWN), call)
        if self._requests:
            _, late = await asyncio.wait(list(self._requests), timeout=LAST_HANG_UPS_S)
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late)

    def _in_background(self, work: Coroutine[Any, Any, None], call: PhoneCall) -> None:
        task = in_background(work, "phone-outbound", of=call.lease.session_id)
        self._requests.add(task)
        task.add_done_callback(self._requests.discard)

    def _line(self, order: DialOrder) -> tuple[str, Carrier]:
        """Return the number to call from, and its carrier."""
        settings = self._calls.settings
        agent_id = split_address(order.address)[0]
        own = {number: each for number, each in settings.numbers.items() if split_address(each.agent)[0] == agent_id}
        if not own:
            raise DialRefused(
                409, f"{agent_id} has no telephone number to call from", "assign one to it in [phone.numbers]"
            )
        if order.from_number is not None and order.from_number not in own:
            raise DialRefused(
                422, f"{order.from_number} is not one of the numbers of {agent_id}", f"it has {', '.join(sorted(own))}"
            )
        if order.from_number is None and len(own) > 1:
            raise DialRefused(
                422, f"{agent_id} has several numbers: say from which to call", f"it has {', '.join(sorted(own))}"
            )
        from_number = order.from_number or next(iter(own))
        name = own[from_number].carrier or (next(iter(self._carriers)) if len(self._carriers) == 1 else None)
        if name is None or name not in self._carriers:
            why = "no carrier" if name is None else f"the carrier {name!r}, which is not set up"
            raise DialRefused(409, f"{from_number} has {why}", "`voice-host check` says what is missing in [phone]")
        carrier = self._carriers[name]
        if order.detection not in carrier.detections:
            raise DialRefused(422, f"{name} has no answering-machine detection of the kind {order.detection!r}")
        return from_number, carrier

    def _admit(self, order: DialOrder, from_number: str, carrier: Carrier, key_id: str | None) -> PhoneCall:
        over = self._attempts.refusal(order.to_number)
        if over is not None:
            metrics.LIMITS_EXCEEDED.labels(split_address(order.address)[0], over.limit).inc()
            raise DialRefused(429, over.reason, retry_after_s=over.retry_after_s)
        channel = Channel(carrier.name, "phone", "outbound", from_number, order.to_number)
        claims = {"kind": "dialled", "key": key_id} if key_id else {}
        call = self._calls.reserve(
            order.address,
            channel,
            caller=Caller(order.to_number, issuer="phone", claims=claims),
            metadata=order.metadata,
            connect_within_s=order.ring_s + RING_GRACE_S + CONNECT_TIMEOUT_S,
        )
        if isinstance(call, Refused):
            raise DialRefused(429 if call.occasion == "busy" else 409, call.reason)
        self._attempts.add(order.to_number)
        return call

    def remember(self, call: PhoneCall) -> None:
        """Keep a call for its status, and forget the oldest of those that are over."""
        self._made[call.lease.session_id] = call
        over = [session_id for session_id, each in self._made.items() if each.status == "over"]
        for session_id in over[: max(0, len(self._made) - MAX_KEPT)]:
            del self._made[session_id]
        while len(self._repeatable) > MAX_KEPT:
            self._repeatable.popitem(last=False)

    async def _place(self, call: PhoneCall, order: DialOrder, carrier: Carrier) -> None:
        limit_s = min(order.max_call_s or LONGEST_CALL_S, self._calls.settings.outbound.max_call_s)
        dial = Dial(
            to_number=order.to_number,
            from_number=call.channel.from_number or "",
            stream_url=self._calls.stream_url(carrier.name, call.stream_token),
            status_url=self._calls.url(f"/phone/{carrier.name}/calls/{call.lease.session_id}"),
            ring_s=order.ring_s,
            max_call_s=limit_s,
            detection=order.detection,
        )
        try:
            call_id = await carrier.dial(dial)
        except CarrierError as error:
            self._calls.end(call, "failed", str(error))
            log.warning("phone_dial_failed", agent_id=call.lease.agent_id, carrier=carrier.name, error=error.logged)
            raise DialRefused(502, str(error)) from error
        except BaseException:
            self._calls.end(call, "failed", "the request to the carrier was interrupted")
            raise
        self._calls.placed(call, call_id)
        if call.status == "over":  # meanwhile it was hung up, or the host shuts down
            await self._hang_up_for_certain(call, "")
            return
        self._in_background(self._supervise(call, limit_s), call)

    async def _supervise(self, call: PhoneCall, limit_s: float) -> None:
        """Hang up a call that rings or lasts too long, or rings while the host shuts down."""
        why = await self._why_to_hang_up(call, limit_s)
        if why is not None:
            await self._hang_up_for_certain(call, why)

    async def _why_to_hang_up(self, call: PhoneCall, limit_s: float) -> str | None:
        """Wait until the host must hang up, and return why; None: the call is over without that."""
        while not await _within(DRAIN_CHECK_S, call.picked_up):
            if not self._calls.taken:
                return SHUTTING_DOWN
        if not await _within(limit_s, call.ended):
            return TIME_LIMIT
        return NOT_CONNECTED if call.reason == NOT_CONNECTED else None

    async def _hang_up_for_certain(self, call: PhoneCall, reason: str) -> None:
        self._calls.end(call, _outcome(call), reason)
        if call.channel.call_id is None:
            return  # the carrier is just being asked for the call: see `_place`
        for pause_s in PAUSES_BEFORE_HANGING_UP:
            await asyncio.sleep(pause_s)
            try:
                await self._carriers[call.channel.name].hang_up(call.channel.call_id)
            except CarrierError as error:
                fields = {"carrier": call.channel.name, "session_id": call.lease.session_id, "error": error.logged}
                log.warning("phone_call_not_hung_up", agent_id=call.lease.agent_id, **fields)
            else:
                return


def _outcome(call: PhoneCall) -> str:
    return "cancelled" if call.answered_s is None else "completed"


async def _within(limit_s: float, event: asyncio.Event) -> bool:
    """Wait for an event. Returns False if it does not come in time."""
    try:
        async with asyncio.timeout(limit_s):
            await event.wait()
    except TimeoutError:
        return False
    return True
