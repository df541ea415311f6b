"""How a caller is connected, and what goes wrong when a channel cannot do what an agent asks for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Channel:
    """How a caller is connected. New in 1.1.

    Attributes:
        name: the client protocol: `voice-host`, `realtime`, or the name of a telephone carrier such as `twilio`.
        kind: `phone` for a telephone call, `app` for a page or program.
        direction: `outbound` if the host called, otherwise `inbound`.
        from_number: the number that calls, in E.164 form (`+15550100`); None: not a telephone call, or withheld.
        to_number: the number that is called; None: not a telephone call.
        call_id: the carrier's id of the call; None: not a telephone call.
    """

    name: str = "voice-host"
    kind: Literal["app", "phone"] = "app"
    direction: Literal["inbound", "outbound"] = "inbound"
    from_number: str | None = None
    to_number: str | None = None
    call_id: str | None = None


@dataclass(frozen=True, slots=True)
class CallAnswer:
    """Who answered an outbound call, as the carrier judges. New in 1.1.

    Attributes:
        by: `human`; `machine` for a voice mailbox whose greeting may still be playing; `machine_end` for one that
            records now; `fax`; or `unknown`.
        detail: the carrier's own word.
    """

    by: Literal["human", "machine", "machine_end", "fax", "unknown"]
    detail: str = ""


class ChannelError(Exception):
    """The channel cannot do this, or the carrier refused it. The message can be shown to the model. New in 1.1."""
