"""Choosing the carrier of a telephone call from the command line."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlsplit, urlunsplit

from voice_host.caller.carrier import CALLED_NUMBER, CALLER_NUMBER, Carrier
from voice_host.caller.kinds import As
from voice_host.caller.line import CallFailed, Message
from voice_host.caller.plan import CallPlan
from voice_host.caller.telnyx import TelnyxCarrier
from voice_host.caller.twilio import TwilioCarrier
from voice_host.settings import PhoneSettings


def carrier_of(plan: CallPlan, phone: PhoneSettings, on_message: Callable[[Message], None]) -> Carrier:
    """Return the carrier of a planned call.

    Args:
        plan: the call.
        phone: the settings of the host at `plan.url`, whose account signs the call.
        on_message: see `Carrier`.

    Raises:
        CallFailed: the settings lack what is needed to call a running host.
    """
    from_number = plan.number("from") or CALLER_NUMBER
    if plan.as_ is As.TELNYX:
        return TelnyxCarrier(from_number, plan.number("to") or CALLED_NUMBER, on_message)
    if plan.url is None:
        return TwilioCarrier(from_number, plan.number("to") or CALLED_NUMBER, on_message)
    if phone.twilio is None:
        raise CallFailed(
            "a running host takes telephone calls from Twilio alone, or from who has the account's token",
            "run this with the host's settings (--config), in which [phone.twilio] has the token, or leave --url out",
        )
    to_number = plan.number("to") or _number_of(plan.agent_id, phone)
    if to_number is None:
        hint = "add one to [phone.numbers], or name one with --param to=+15550199"
        raise CallFailed(f"these settings assign no number to {plan.agent_id}", hint)
    return TwilioCarrier(
        from_number,
        to_number,
        on_message,
        account_sid=phone.twilio.account_sid,
        auth_token=phone.twilio.auth_token.get_secret_value(),
        public_url=phone.public_url,
    )


def _number_of(agent_id: str, phone: PhoneSettings) -> str | None:
    return next((number for number, each in phone.numbers.items() if each.agent.partition("@")[0] == agent_id), None)


def http_address(url: str) -> str:
    """Return the address of a host for HTTP requests."""
    parts = urlsplit(url if "://" in url else f"http://{url}")
    scheme = {"ws": "http", "wss": "https"}.get(parts.scheme, parts.scheme)
    return urlunsplit((scheme, parts.netloc, parts.path.rstrip("/"), "", ""))
