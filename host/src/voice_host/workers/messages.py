"""The messages between the front and a worker process: plain, versioned data.

They are sent as JSON over a Unix socket (`workers.channel`). Nothing else passes between the two, and nothing is
pickled, since a worker runs a customer's code. Sizes are bounded by the channel. Times in seconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from voice_host.admission import Lease
from voice_host.clients.choice import ProtocolChoice
from voice_host.clients.close_codes import CloseCode
from voice_host.fleet.report import AgentReport
from voice_host.releases.release import PRODUCTION, Release
from voice_host.workers.confinement import Confinement
from voice_host_sdk import CallAnswer, Channel

PROTOCOL = 2
"""Version of the messages.

A worker of another environment may come from another version of `voice-host` than the front. The two must agree on this
number; otherwise the agent is `broken`, and its report says to deploy it again. The number changes whenever a message
does, once per release: each side ignores fields that it does not know, so that a call would silently lose what they
say. `tests/workers/test_messages.py` notices.
"""

OTHER_VERSION = "its environment has another version of voice-host than this host"
DEPLOY_AGAIN = "deploy it again, which installs this version"


class Message(BaseModel):
    """A message. Bytes that are not JSON travel beside it, as the payload of its frame."""

    model_config = ConfigDict(frozen=True, extra="ignore")


# --- from the front to a worker --------------------------------------------------------------------------------------


class Order(Message):
    """The first message: what the worker is for.

    Attributes:
        settings: of `settings.transfer.settings_to_send`: with the tables of this agent alone, secrets resolved.
        keys: keys and addresses of built-in services that the agent may use, by the names of their variables.
        variables: environment variables, in addition to those with which the process was started.
        confinement: what a forked worker gives up. One that was started afresh has done so already.
        number: of the worker among those of its group, from 1; with the release in its logs.
        observed: whether there are observers, who are told of events with `Observed`.
        speech_socket: the Unix socket of the host's process for speech that runs on this machine; None: there is none.
        speech_key: shows that process which agent the worker runs.
    """

    kind: Literal["order"] = "order"
    protocol: int = PROTOCOL
    release: Release
    alias: str = PRODUCTION
    number: int = 1
    settings: Mapping[str, Any] = Field(default_factory=dict, repr=False)
    keys: Mapping[str, str] = Field(default_factory=dict, repr=False)
    variables: Mapping[str, str] = Field(default_factory=dict, repr=False)
    confinement: Confinement = Confinement()
    observed: bool = False
    speech_socket: str | None = None
    speech_key: str = Field(default="", repr=False)


class TakeCall(Message):
    """Take a call. The accepted socket and the memory of its `StreamPosition` travel beside it.

    The payload begins with `state_bytes` bytes of a `ResumeState`, if the session is restored; the rest was read from
    the socket: the head of the upgrade request, without credentials, and what followed it.

    Attributes:
        call: number of the call in this worker, for `CallOver`.
        client: address and port of the client; the front has read the proxy's headers.
        scheme: `ws` or `wss`.
        lease: the admission.
        metadata: of the call token or the carrier; it takes precedence over the client's.
        channel: how the caller is connected; None: as the protocol says.
        protocol: what the client speaks.
        controlled: whether the call has a carrier, which `ControlCall` reaches.
        state_bytes: size of the `ResumeState`; 0: none.
        state_age_s: time since that state was made.
    """

    kind: Literal["take_call"] = "take_call"
    call: int
    client: tuple[str, int] | None = None
    scheme: Literal["ws", "wss"] = "ws"
    lease: Lease
    metadata: Mapping[str, Any] = Field(default_factory=dict, repr=False)
    channel: Channel | None = None
    protocol: ProtocolChoice = ProtocolChoice()
    controlled: bool = False
    state_bytes: int = 0
    state_age_s: float = 0.0


class Retire(Message):
    """Begin no more sessions, let those that there are end, and then leave. Callers are told nothing."""

    kind: Literal["retire"] = "retire"


class Drain(Message):
    """Take no more calls, warn the callers, end the calls after `timeout_s`, and leave."""

    kind: Literal["drain"] = "drain"
    timeout_s: float


class Hurry(Message):
    """End the calls of a drain now."""

    kind: Literal["hurry"] = "hurry"


class Revoke(Message):
    """End the sessions that were started with these API keys."""

    kind: Literal["revoke"] = "revoke"
    key_ids: tuple[str, ...]


class EndLost(Message):
    """End a session whose worker was lost and whose caller did not come back. The payload is its `ResumeState`.

    Attributes:
        state_age_s: time since that state was made.
    """

    kind: Literal["end_lost"] = "end_lost"
    state_age_s: float


class ControlResult(Message):
    """The outcome of a `ControlCall`. `error`: why the carrier did not do it; None: it did."""

    kind: Literal["control_result"] = "control_result"
    call: int
    number: int
    error: str | None = None


class CallAnswered(Message):
    """The carrier has found out who answered an outbound call."""

    kind: Literal["call_answered"] = "call_answered"
    session_id: str
    answer: CallAnswer


class Ping(Message):
    """Answer with a `Beat`, from the event loop."""

    kind: Literal["ping"] = "ping"
    number: int


# --- from a worker to the front --------------------------------------------------------------------------------------


class Started(Message):
    """The outcome of starting: the agent is `ready`, or broken in some phase, and then the worker leaves."""

    kind: Literal["started"] = "started"
    protocol: int = PROTOCOL
    report: AgentReport


class Reported(Message):
    """The agent's report has changed."""

    kind: Literal["reported"] = "reported"
    report: AgentReport


class Connected(Message):
    """A call has got its session, and a new resume token, whose SHA-256 is `token_digest`; None: it has none."""

    kind: Literal["connected"] = "connected"
    call: int
    session_id: str
    token_digest: str | None


class Closed(Message):
    """A call's connection is over, while its session may have something left to finish.

    Attributes:
        close_code: of `ClientConnection`.
    """

    kind: Literal["closed"] = "closed"
    call: int
    close_code: CloseCode | None


class CallOver(Message):
    """A call has ended.

    Attributes:
        parked: its session waits for the caller.
        close_code: of `ClientConnection`.
    """

    kind: Literal["call_over"] = "call_over"
    call: int
    parked: bool
    close_code: CloseCode | None = None


class ControlCall(Message):
    """Ask the carrier of a telephone call to do something. Answered with `ControlResult`.

    Attributes:
        number: of the request, among those of the worker.
        argument: the number to transfer to, or the digits to send.
    """

    kind: Literal["control_call"] = "control_call"
    call: int
    number: int
    action: Literal["transfer", "send_digits"]
    argument: str = Field(max_length=256)


class Checkpoint(Message):
    """What is needed to restore a session if this worker is lost: a `sessions.checkpoint.Checkpoint`.

    The payload is that of the checkpoint; empty: the session cannot be restored any more.

    Attributes:
        dropped, kept: as in the checkpoint.
    """

    kind: Literal["checkpoint"] = "checkpoint"
    session_id: str
    dropped: int = Field(default=0, ge=0)
    kept: int = Field(default=0, ge=0)


class SessionOver(Message):
    """A session has ended."""

    kind: Literal["session_over"] = "session_over"
    session_id: str


class Beat(Message):
    """The answer to `Ping`: connected calls, and parked sessions."""

    kind: Literal["beat"] = "beat"
    number: int
    calls: int
    parked: int


class Figures(Message):
    """Metrics that have changed: `samples` holds [name, labels, value] of each."""

    kind: Literal["figures"] = "figures"
    samples: tuple[tuple[str, Mapping[str, str], float], ...]


class Observed(Message):
    """An event for the observers of extensions: the method of `SessionObserver`, and its arguments as plain data."""

    kind: Literal["observed"] = "observed"
    event: str
    session: Mapping[str, Any]
    records: tuple[Mapping[str, Any], ...] = ()


ToWorker = Annotated[
    Order | TakeCall | Retire | Drain | Hurry | Revoke | EndLost | ControlResult | CallAnswered | Ping,
    Field(discriminator="kind"),
]
ToFront = Annotated[
    Started
    | Reported
    | Connected
    | Closed
    | CallOver
    | ControlCall
    | Checkpoint
    | SessionOver
    | Beat
    | Figures
    | Observed,
    Field(discriminator="kind"),
]

TO_WORKER: TypeAdapter[ToWorker] = TypeAdapter(ToWorker)
TO_FRONT: TypeAdapter[ToFront] = TypeAdapter(ToFront)
