"""Limits on the number of calls, on what a client may send, and on what an agent may use. No I/O."""

from voice_host.admission.admission import Admission, Lease, Refusal
from voice_host.admission.allowed import Allowed, NotAllowed, allowed_for
from voice_host.admission.call_limits import call_limits, shortened
from voice_host.admission.client_guard import ClientGuard, Violation

__all__ = [
    "Admission",
    "Allowed",
    "ClientGuard",
    "Lease",
    "NotAllowed",
    "Refusal",
    "Violation",
    "allowed_for",
    "call_limits",
    "shortened",
]
