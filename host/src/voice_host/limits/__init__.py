"""What keeps one caller, agent or client from taking what belongs to all. No I/O here."""

from voice_host.limits.admission import Admission, Refusal, Ticket
from voice_host.limits.allowed import Allowed, NotAllowed, allowed_for
from voice_host.limits.call_limits import CallLimits, call_limits
from voice_host.limits.client_guard import ClientGuard, Excess

__all__ = [
    "Admission",
    "Allowed",
    "CallLimits",
    "ClientGuard",
    "Excess",
    "NotAllowed",
    "Refusal",
    "Ticket",
    "allowed_for",
    "call_limits",
]
