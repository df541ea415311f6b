"""What keeps one caller, agent or client from taking what belongs to all. No I/O here."""

from voice_host.admission.admission import Admission, Lease, Refusal
from voice_host.admission.allowed import Allowed, NotAllowed, allowed_for
from voice_host.admission.call_limits import CallLimits, call_limits
from voice_host.admission.client_guard import ClientGuard, Excess

__all__ = [
    "Admission",
    "Allowed",
    "CallLimits",
    "ClientGuard",
    "Excess",
    "Lease",
    "NotAllowed",
    "Refusal",
    "allowed_for",
    "call_limits",
]
