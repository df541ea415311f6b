"""What can be checked of `[phone]` without asking a carrier: for `voice-host check`, `config` and `serve`."""

from __future__ import annotations

import base64
import binascii
import ipaddress
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from urllib.parse import urlsplit

from voice_host.auth.addresses import split_address
from voice_host.settings import PhoneSettings, ServerSettings, Settings, did_you_mean, meant_instead

CARRIERS = ("twilio", "telnyx", "vonage")

UNKNOWN = (
    "Whether carriers can reach {url} from outside is unknown, since nothing here can tell. To find out, open "
    "{url}/health in a browser on another network, or call one of the numbers."
)


@dataclass(frozen=True, slots=True)
class Webhook:
    """An address to be entered at a carrier.

    Attributes:
        carrier: its name in the settings.
        path: of the route.
        where: the place in the carrier's portal.
    """

    carrier: str
    path: str
    where: str


WEBHOOKS: Mapping[str, tuple[Webhook, ...]] = MappingProxyType(
    {
        "twilio": (
            Webhook(
                "twilio",
                "/phone/twilio/voice",
                'for each number: "Voice Configuration", "A call comes in", Webhook, HTTP POST',
            ),
        ),
        "telnyx": (
            Webhook(
                "telnyx",
                "/phone/telnyx/webhook",
                'for the Call Control application that the numbers are assigned to: "Send a webhook to the URL"',
            ),
        ),
        "vonage": (
            Webhook("vonage", "/phone/vonage/answer", 'for the Voice application: "Answer URL", HTTP POST'),
            Webhook("vonage", "/phone/vonage/events", 'for the Voice application: "Event URL", HTTP POST'),
        ),
    }
)


@dataclass(frozen=True, slots=True)
class PhoneCheck:
    """The outcome of a check.

    Attributes:
        problems: what keeps calls from being taken or made, each with the setting that it is about.
        warnings: what may not be meant.
        webhooks: what to enter where: each place with the address.
        note: what cannot be checked; None: nothing is set up.
    """

    problems: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    webhooks: tuple[tuple[Webhook, str], ...] = ()
    note: str | None = None

    @property
    def empty(self) -> bool:
        """Whether there is nothing to tell: no `[phone]` is set."""
        return not (self.problems or self.warnings or self.webhooks)


Answering = Mapping[str, Collection[str] | None]
"""The agents that may answer, each with what may follow the `@` in its address: aliases and releases. None: unknown."""


def check_phone(settings: Settings, agents: Answering | None = None) -> PhoneCheck:
    """Check the settings of telephone calls.

    Args:
        settings: of the host.
        agents: those that may answer; None: they are not known.
    """
    phone = settings.phone
    carriers = [name for name in CARRIERS if getattr(phone, name) is not None]
    usage = (phone.outbound, phone.transfer)
    if not (carriers or phone.numbers or phone.public_url or any(each != type(each)() for each in usage)):
        return PhoneCheck()
    problems = [*_address(phone, settings.server), *_numbers(phone, carriers, agents)]
    problems += [*_keys(phone), *_outbound(phone, carriers)]
    warnings = [*_key_warnings(phone), *_number_warnings(phone, carriers), *_target_warnings(phone, agents or {})]
    warnings += [*_outbound_warnings(phone), *_transfer_warnings(phone)]
    webhooks, note = [], None
    if carriers and phone.public_url:
        base = phone.public_url.rstrip("/")
        webhooks = [(each, base + each.path) for name in carriers for each in WEBHOOKS.get(name, ())]
        note = UNKNOWN.format(url=base)
    return PhoneCheck(tuple(problems), tuple(warnings), tuple(webhooks), note)


def _address(phone: PhoneSettings, server: ServerSettings) -> Iterator[str]:
    if phone.public_url is None:
        yield "phone.public_url is not set: carriers need the address at which they reach this host, https://..."
        return
    parts = urlsplit(phone.public_url)
    host = parts.hostname or ""  # the settings have checked that there is one
    if parts.scheme != "https":
        yield "phone.public_url begins with http://: carriers connect the audio of calls over TLS only, so with https://"
    if _is_local(host):
        yield f"phone.public_url names {host}, which carriers cannot reach: it is an address of this machine or network"
    if server.allowed_hosts is not None and not _is_allowed(host, server.allowed_hosts):
        yield f"server.allowed_hosts does not have {host}, the host of phone.public_url: add it, or no webhook is taken"


def _is_allowed(host: str, allowed: Collection[str]) -> bool:
    """Whether the host answers requests with this name; see `front.middleware.AllowedHosts`."""
    if _ip_address(host) is not None:
        return True
    names = (name.lower() for name in allowed)
    return any(host == name or (name.startswith("*") and host.endswith(name[1:])) for name in names)


def _is_local(host: str) -> bool:
    if (address := _ip_address(host)) is not None:
        return not address.is_global
    return "." not in host or host.endswith((".local", ".localhost", ".internal", ".lan", ".home.arpa"))


def _ip_address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _numbers(phone: PhoneSettings, carriers: Collection[str], agents: Answering | None) -> Iterator[str]:
    if phone.numbers and not carriers:
        yield f"phone.numbers has numbers, but no carrier is set up: [phone.twilio] or one of {', '.join(CARRIERS[1:])}"
    for number, own in phone.numbers.items():
        where = f"phone.numbers.{number}"
        if agents is not None and (missing := _why_nobody_answers(own.agent, agents)) is not None:
            yield f"{where}: {missing}"
        if own.carrier is not None and own.carrier not in carriers:
            known = f"set up are {', '.join(carriers)}" if carriers else "none is set up"
            yield f"{where}: the carrier {own.carrier!r} is not set up in [phone.{own.carrier}]; {known}"
        elif own.carrier is None and len(carriers) > 1:
            yield f"{where} does not say whose number it is, and {' and '.join(carriers)} are set up: add `carrier`"


def _why_nobody_answers(address: str, agents: Answering) -> str | None:
    agent_id, target = split_address(address)
    if agent_id not in agents:
        known = meant_instead(agent_id, agents) or "; `voice-host agents` lists those that are"
        return f"there is no agent {agent_id!r} that is installed and allowed{known}"
    targets = agents[agent_id]
    if target is None or targets is None or target in targets:
        return None
    return f"{agent_id} has no release or alias {target!r} that takes calls; {did_you_mean(target, targets)}"


def _target_warnings(phone: PhoneSettings, agents: Answering) -> Iterator[str]:
    for number, own in phone.numbers.items():
        agent_id, target = split_address(own.agent)
        if target is not None and agent_id in agents and agents[agent_id] is None:
            yield f"phone.numbers.{number}: whether {agent_id} has a release or alias {target!r} cannot be checked here"


def _number_warnings(phone: PhoneSettings, carriers: Collection[str]) -> Iterator[str]:
    if carriers and not phone.numbers:
        yield "phone.numbers is empty: no agent answers a call"
    if phone.numbers:
        # Imported lazily: only hosts with telephone numbers need it.
        from phonenumbers import NumberParseException, is_possible_number, parse

        for number in phone.numbers:
            try:
                possible = is_possible_number(parse(number))
            except NumberParseException:
                possible = False
            if not possible:
                yield f"phone.numbers.{number} has no known country code, or not as many digits as numbers there have"


def _keys(phone: PhoneSettings) -> Iterator[str]:
    if phone.telnyx is not None and not _is_base64(phone.telnyx.public_key, 32):
        yield "phone.telnyx.public_key is not Base64 of 32 bytes: copy it from Telnyx' portal, Keys & Credentials"
    if phone.vonage is not None:
        # Imported lazily: only hosts with an application at Vonage need it.
        from voice_host.phone.vonage_tokens import private_key

        if private_key(phone.vonage.private_key.get_secret_value()) is None:
            yield (
                "phone.vonage.private_key is not an RSA key in PEM form without a password: use the whole file that "
                "Vonage's dashboard made, with its lines -----BEGIN and -----END"
            )


def _key_warnings(phone: PhoneSettings) -> Iterator[str]:
    """Warn about keys that do not look as they usually do: carriers may change that."""
    patterns = []
    if phone.twilio is not None:
        token = phone.twilio.auth_token.get_secret_value()
        patterns.append(("twilio.auth_token", token, r"[0-9a-f]{32}", "32 hexadecimal digits"))
    if phone.telnyx is not None:
        key = phone.telnyx.api_key.get_secret_value()
        patterns.append(("telnyx.api_key", key, r"KEY\w+", "KEY followed by letters and digits"))
    if phone.vonage is not None:
        uuid = r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
        patterns.append(("vonage.application_id", phone.vonage.application_id, uuid, "a UUID"))
    for name, value, pattern, shape in patterns:
        if re.fullmatch(pattern, value) is None:
            yield f"phone.{name} does not look like one, which is {shape}: was it copied whole, without spaces?"


def _is_base64(text: str, size: int) -> bool:
    try:
        return len(base64.b64decode(text, validate=True)) == size
    except (binascii.Error, ValueError):
        return False


def _outbound(phone: PhoneSettings, carriers: Collection[str]) -> Iterator[str]:
    if phone.outbound.why_off is not None:
        return
    if not carriers or not phone.numbers:
        yield "phone.outbound allows calls, but there is no number to call from: set up a carrier and [phone.numbers]"
    used = {own.carrier or next(iter(carriers), None) for own in phone.numbers.values()}
    if phone.telnyx is not None and phone.telnyx.connection_id is None and "telnyx" in used:
        yield "phone.telnyx.connection_id is not set: outbound calls need the Call Control application"


def _outbound_warnings(phone: PhoneSettings) -> Iterator[str]:
    outbound = phone.outbound
    if outbound.why_off is not None:
        if outbound.allow or outbound.max_attempts_per_hour:
            yield outbound.why_off
        return
    # Imported lazily: only hosts that make calls need it.
    from voice_host.phone.destinations import warnings_about

    yield from (f"phone.outbound.allow: {warning}" for warning in warnings_about(outbound.allow))


def _transfer_warnings(phone: PhoneSettings) -> Iterator[str]:
    if not phone.transfer.allow:
        return
    # Imported lazily: as above.
    from voice_host.phone.destinations import warnings_about

    yield from (f"phone.transfer.allow: {warning}" for warning in warnings_about(phone.transfer.allow))
