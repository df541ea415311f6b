"""`PhoneCalls`: the telephone calls of a host, from the carrier's webhook to the end of the call."""

from __future__ import annotations

import asyncio
import secrets
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from voice_host.admission import Admission, Lease
from voice_host.auth.addresses import split_address
from voice_host.clients.close_codes import CloseCode
from voice_host.fleet.availability import why_unavailable
from voice_host.fleet.service import AgentService
from voice_host.observability import metrics
from voice_host.observability.logs import get_logger
from voice_host.phone.carrier import Occasion, PhoneCall, Sentence
from voice_host.sessions.refusals import report_refusal
from voice_host.sessions.resume_token import new_session_id
from voice_host.settings import PhoneSettings
from voice_host_sdk import CallAnswer, Caller, Channel

log = get_logger(__name__)

CONNECT_TIMEOUT_S = 20.0
"""How long the media stream of an answered call may take to connect. Carriers need about a second."""

NOT_CONNECTED = "the carrier opened no media stream: can it reach phone.public_url?"
"""The reason of an outbound call about which nothing was heard."""

MAX_OVER = 1000
"""How many calls are remembered after their end, for carriers that ask what comes next, and for their status."""


_QUIET = frozenset({"completed", "transferred", "cancelled"})
"""Outcomes of calls that end without a word. Any other is told to the caller."""


@dataclass(frozen=True, slots=True)
class Refused:
    """A call that reaches no agent.

    Attributes:
        occasion: what the caller is told about.
        reason: for operators.
    """

    occasion: Occasion
    reason: str


class PhoneCalls:
    """The calls under way, and those that were over lately. Belongs to one event loop.

    There are never more than calls are admitted, and `MAX_OVER` that are over.

    Args:
        agents: take the calls.
        admission: limits them.
        settings: returns the present settings.
    """

    def __init__(self, agents: AgentService, admission: Admission, settings: Callable[[], PhoneSettings]) -> None:
        self._agents = agents
        self._admission = admission
        self._settings = settings
        self._calls: dict[str, PhoneCall] = {}  # by session id
        self._over: OrderedDict[str, PhoneCall] = OrderedDict()  # by session id, the oldest first
        self._tokens: dict[str, PhoneCall] = {}  # unused, by stream token
        self._ids: dict[tuple[str, str], PhoneCall] = {}  # by carrier and the carrier's id
        self._deadlines: dict[str, asyncio.TimerHandle] = {}  # by session id

    @property
    def settings(self) -> PhoneSettings:
        """The present settings."""
        return self._settings()

    @property
    def taken(self) -> bool:
        """Whether calls are taken: not while the host starts or shuts down."""
        return self._agents.report.state == "ready"

    # --- addresses and words ----------------------------------------------------------------------------------------

    def url(self, path: str) -> str:
        """Return the address at which carriers reach a path of this host."""
        return (self._settings().public_url or "").rstrip("/") + path

    def stream_url(self, carrier: str, token: str) -> str:
        """Return the address of a media stream."""
        scheme, _, rest = self.url(f"/phone/{carrier}/stream/{token}").partition("://")
        return f"{'wss' if scheme == 'https' else 'ws'}://{rest}"

    def sentence(self, occasion: Occasion) -> Sentence:
        """Return what a caller hears on an occasion."""
        sentences = self._settings().sentences
        return Sentence(getattr(sentences, occasion), sentences.language, sentences.audio_url)

    # --- calls ------------------------------------------------------------------------------------------------------

    def incoming(self, channel: Channel) -> PhoneCall | Refused:
        """Take a call of which a carrier's webhook tells. Its stream must connect within `CONNECT_TIMEOUT_S`.

        A webhook that is repeated gets the same call, as long as its stream has not connected.

        Args:
            channel: with the carrier's id of the call, and the number that was called.
        """
        if channel.call_id and (known := self.find(channel.name, channel.call_id)) is not None:
            if known.status == "ringing":
                return known
            return self._refuse(channel, Refused("failed", "the call has had its stream"), "repeated")
        number = self._settings().numbers.get(channel.to_number or "")
        if number is None or number.carrier not in (None, channel.name):
            return self._refuse(channel, Refused("unknown_number", "no agent answers this number"), "unknown_number")
        caller = None if channel.from_number is None else Caller(channel.from_number, issuer="phone")
        return self.reserve(number.agent, channel, caller=caller)

    def reserve(
        self,
        address: str,
        channel: Channel,
        *,
        caller: Caller | None = None,
        metadata: Mapping[str, Any] | None = None,
        connect_within_s: float = CONNECT_TIMEOUT_S,
    ) -> PhoneCall | Refused:
        """Admit a call for an agent. If its stream does not connect in time, the call is over.

        Args:
            address: of the agent: its id, or `<id>@<alias or version>`.
            channel: how the caller is connected; of an outbound call without the carrier's id: see `placed`.
            caller: whose calls are counted for the limits of callers; None: nobody's.
            metadata: for `Session.metadata`, beside carrier, numbers and call id.
            connect_within_s: how long the stream may take to connect.
        """
        agent_id, target = split_address(address)
        if (unavailable := why_unavailable(self._agents.report, agent_id, target)) is not None:
            known = agent_id if agent_id in self._agents.report.agents else ""
            report_refusal(known, unavailable.code, unavailable.reason, carrier=channel.name)
            return self._refuse(channel, Refused("unavailable", unavailable.reason), "unavailable", agent_id)
        lease = self._admission.lease(new_session_id(), agent_id, caller, target=target)
        if not isinstance(lease, Lease):
            report_refusal(agent_id, CloseCode.OVER_A_LIMIT, lease.reason, limit=lease.limit, carrier=channel.name)
            return self._refuse(channel, Refused("busy", lease.reason), "limit", agent_id)
        call = PhoneCall(lease, channel, secrets.token_urlsafe(24), {**(metadata or {}), **_metadata_of(channel)})
        self._calls[lease.session_id] = self._tokens[call.stream_token] = call
        if channel.call_id:
            self._ids[channel.name, channel.call_id] = call
        loop = asyncio.get_running_loop()
        self._deadlines[lease.session_id] = loop.call_later(connect_within_s, self._not_connected, call)
        log.info("phone_call", agent_id=agent_id, session_id=lease.session_id, **_log_fields(channel))
        return call

    def placed(self, call: PhoneCall, call_id: str) -> None:
        """Note the carrier's id of an outbound call."""
        call.channel = replace(call.channel, call_id=call_id)
        call.metadata = {**call.metadata, **_metadata_of(call.channel)}
        self._ids[call.channel.name, call_id] = call

    def connect(self, carrier: str, token: str) -> PhoneCall | None:
        """Return the call whose stream connects, and use up its token. None: there is none for this token."""
        call = self._tokens.get(token)
        if call is None or call.channel.name != carrier:
            return None
        del self._tokens[token]
        self._deadlines.pop(call.lease.session_id).cancel()
        self.answered(call)
        call.status = "streaming"
        return call

    def answered(self, call: PhoneCall) -> None:
        """Note that an outbound call was answered. Idempotent, and without effect if it is over."""
        if call.status == "ringing":
            call.status, call.answered_s = "answered", asyncio.get_running_loop().time()
            call.picked_up.set()

    def judged(self, call: PhoneCall, answer: CallAnswer) -> None:
        """Note who answered an outbound call, and tell the agent. Carriers may judge twice."""
        if call.status != "over":
            call.answer = answer
            call.answers.put(answer)

    @property
    def streaming(self) -> list[PhoneCall]:
        """The calls that are connected to agents."""
        return [call for call in self._calls.values() if call.status == "streaming"]

    def find(self, carrier: str, call_id: str) -> PhoneCall | None:
        """Return the call with a carrier's id, also one that was over lately."""
        return self._ids.get((carrier, call_id))

    def of_session(self, session_id: str) -> PhoneCall | None:
        """Return the call of a session, also one that was over lately."""
        return self._calls.get(session_id) or self._over.get(session_id)

    async def farewell(self, call: PhoneCall, *, within_s: float) -> Sentence | None:
        """Return what the caller is told when the stream has ended, or could not be opened; None: nothing.

        For carriers that ask what comes next.

        Raises:
            TimeoutError: it is not known in time how the call has ended.
        """
        if call.status in ("ringing", "answered"):
            _report_missing_stream(call)
            self.end(call, "failed")
        async with asyncio.timeout(within_s):
            await call.settled.wait()
        if call.outcome in _QUIET:
            return None
        call.told.set()
        return call.farewell or self.sentence("failed")

    def end(self, call: PhoneCall, outcome: str, reason: str = "") -> None:
        """Note that a call is over, and give its lease back. Idempotent.

        Args:
            outcome: a label of a metric, so one of few words.
            reason: more about it, for the operator.
        """
        if call.status == "over":
            return
        call.status, call.outcome, call.reason = "over", outcome, reason
        call.ended_s = asyncio.get_running_loop().time()
        self._tokens.pop(call.stream_token, None)
        if (deadline := self._deadlines.pop(call.lease.session_id, None)) is not None:
            deadline.cancel()
        self._admission.give_back(call.lease)
        metrics.PHONE_CALLS.labels(call.channel.name, call.channel.direction, outcome).inc()
        lease, fields = call.lease, _log_fields(call.channel)
        log.info("phone_call_over", agent_id=lease.agent_id, session_id=lease.session_id, outcome=outcome, **fields)
        self._calls.pop(call.lease.session_id, None)
        self._over[call.lease.session_id] = call
        while len(self._over) > MAX_OVER:
            _, oldest = self._over.popitem(last=False)
            self._ids.pop((oldest.channel.name, oldest.channel.call_id or ""), None)
        call.settled.set()
        call.picked_up.set()
        call.ended.set()

    def _not_connected(self, call: PhoneCall) -> None:
        metrics.PHONE_REFUSED.labels(call.channel.name, "not_connected").inc()
        _report_missing_stream(call)
        if call.channel.direction == "outbound":
            self.end(call, "failed", NOT_CONNECTED)
        else:
            self.end(call, "unanswered")

    def _refuse(self, channel: Channel, refused: Refused, kind: str, agent_id: str = "") -> Refused:
        metrics.PHONE_REFUSED.labels(channel.name, kind).inc()
        fields = _log_fields(channel)
        log.info("phone_call_refused", agent_id=agent_id, kind=kind, reason=refused.reason, **fields)
        return refused


def _report_missing_stream(call: PhoneCall) -> None:
    lease, fields = call.lease, _log_fields(call.channel)
    log.warning("phone_stream_missing", agent_id=lease.agent_id, session_id=lease.session_id, **fields)


def _metadata_of(channel: Channel) -> dict[str, Any]:
    """Return what `Session.metadata` says about the call: as in the channel, for agents written for SDK 1.0."""
    found = {
        "carrier": channel.name,
        "direction": channel.direction,
        "from": channel.from_number,
        "to": channel.to_number,
        "call_id": channel.call_id,
    }
    return {name: value for name, value in found.items() if value}


def _log_fields(channel: Channel) -> dict[str, str]:
    """Return log fields of a call: the number of the host, and not that of the other side, which is personal data."""
    own = channel.to_number if channel.direction == "inbound" else channel.from_number
    found = {"carrier": channel.name, "direction": channel.direction, "number": own, "call_id": channel.call_id}
    return {name: value or "" for name, value in found.items()}
