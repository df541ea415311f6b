"""`[phone]`: telephone numbers, and the carriers that connect their calls. The front's own: workers do not get it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, SecretStr

from voice_host.settings.field_types import TABLE, HttpUrl, empty_table, read_only, split_list


def _e164(text: str) -> str:
    if re.fullmatch(r"\+[1-9]\d{1,14}", text) is None:
        raise ValueError(f"{text!r} is not a telephone number in E.164 form, such as +15550100")
    return text


def _destination(text: str) -> str:
    if re.fullmatch(r"\+[1-9]\d{1,14}|\+[1-9]\d{0,13}\*", text):
        return text
    if re.fullmatch(r"\+?\*", text):
        raise ValueError(f"{text!r} would allow every number in the world: name the countries, such as +49*")
    raise ValueError(
        f"{text!r} is neither a telephone number in E.164 form, such as +15550100, nor the beginning of one with a * "
        "at its end, such as +49*"
    )


SIP_ENTRY = re.compile(r"sips?:(\*@[A-Za-z0-9.\-\[\]:]+|[A-Za-z0-9_.!~'()&=+$,;?/%:\[\]@-]+)")


def _transfer_target(text: str) -> str:
    if not text.lower().startswith(("sip:", "sips:")):
        return _destination(text)
    if SIP_ENTRY.fullmatch(text) is None:
        raise ValueError(
            f"{text!r} is neither a SIP address, such as sip:desk@pbx.example.com, nor all those of a host, which are "
            "sip:*@pbx.example.com"
        )
    return text


def _public_url(url: str) -> str:
    host = urlsplit(url).netloc
    # The address is left out, since it may contain a password.
    if "@" in host or url.partition("://")[2].rstrip("/") != host:
        raise ValueError(
            "must be the address of a host and no more, such as https://voice.example.com: the host serves carriers "
            "at /phone/..., right after it"
        )
    return url


PhoneNumber = Annotated[str, AfterValidator(_e164)]
"""A telephone number in E.164 form: `+`, the country code, the number, without spaces."""

Destinations = Annotated[tuple[Annotated[str, AfterValidator(_destination)], ...], BeforeValidator(split_list)]
"""Numbers, and beginnings of numbers followed by `*`; in a variable they are separated by commas."""

TransferTargets = Annotated[tuple[Annotated[str, AfterValidator(_transfer_target)], ...], BeforeValidator(split_list)]
"""The same, and SIP addresses: whole ones, and all those of a host, such as `sip:*@pbx.example.com`."""

LONGEST_CALL_S = 14400
"""Time limit of outbound calls that no setting exceeds: four hours, after which Twilio ends a call, too."""


class NumberSettings(BaseModel):
    """A number, or `"<agent>"` for short.

    Attributes:
        agent: the agent that answers: an id, or `<id>@<alias or version>`.
        carrier: whose number it is; None: the only carrier that is set up.
    """

    model_config = TABLE

    agent: str = Field(min_length=1, description="Who answers: an agent's id, or <id>@<alias or version>.")
    carrier: str | None = Field(default=None, description="Whose number it is; None: the only carrier that is set up.")


def _number(value: Any) -> Any:
    return {"agent": value} if isinstance(value, str) else value


class TwilioSettings(BaseModel):
    """`[phone.twilio]`: the account."""

    model_config = TABLE

    account_sid: str = Field(pattern=r"^AC[0-9a-fA-F]{32}$")
    auth_token: SecretStr = Field(min_length=1, description="Checks signatures, and is the password of the REST API.")
    shared_key: SecretStr | None = Field(
        default=None, min_length=1, description="Checks signatures with HMAC-SHA256, if webhooks are set up for them."
    )
    api_url: HttpUrl = "https://api.twilio.com"


class TelnyxSettings(BaseModel):
    """`[phone.telnyx]`: the account."""

    model_config = TABLE

    api_key: SecretStr = Field(min_length=1)
    public_key: str = Field(description="The key with which webhooks are signed: Base64 of 32 bytes.")
    connection_id: str | None = Field(default=None, description="For outbound calls: the Call Control application.")
    codec: Literal["PCMU", "PCMA"] = Field(
        default="PCMU", description="Of the agent's speech. PCMA is that of European lines, and spares a conversion."
    )
    api_url: HttpUrl = "https://api.telnyx.com"


class VonageSettings(BaseModel):
    """`[phone.vonage]`: the application."""

    model_config = TABLE

    application_id: str
    private_key: SecretStr = Field(min_length=1, description="PEM, for the REST API.")
    signature_secret: SecretStr = Field(min_length=1, description="Checks signatures of webhooks.")
    api_url: HttpUrl = "https://api.nexmo.com"


class OutboundSettings(BaseModel):
    """`[phone.outbound]`: calls that the host makes. Off unless `allow` and `max_attempts_per_hour` are set."""

    model_config = TABLE

    allow: Destinations = Field(
        default=(),
        description="Numbers that may be called: whole ones, and beginnings such as +49*, which allow ordinary numbers "
        "only. Empty: none.",
    )
    max_attempts_per_hour: int = Field(
        default=0, ge=0, le=100_000, description="Limit of all attempts together, in any 60 minutes. 0: none are made."
    )
    max_attempts_per_number: int = Field(
        default=3, ge=1, le=1000, description="Limit of the attempts to reach one number, in any 60 minutes."
    )
    max_call_s: int = Field(default=900, ge=10, le=LONGEST_CALL_S, description="Time limit of an outbound call.")

    @property
    def why_off(self) -> str | None:
        """What is missing for calls to be made; None: nothing."""
        missing = [
            name
            for name, value in (("allow", self.allow), ("max_attempts_per_hour", self.max_attempts_per_hour))
            if not value
        ]
        if not missing:
            return None
        return f"this host makes no calls: {' and '.join(f'phone.outbound.{name}' for name in missing)} must be set"


class TransferSettings(BaseModel):
    """`[phone.transfer]`: where agents may connect their callers to. Off unless `allow` is set."""

    model_config = TABLE

    allow: TransferTargets = Field(
        default=(),
        description="Numbers as in phone.outbound.allow, and SIP addresses: whole ones, and all those of a host, such "
        "as sip:*@pbx.example.com. Empty: none.",
    )


class SentenceSettings(BaseModel):
    """`[phone.sentences]`: what callers hear who reach no agent, spoken by the carrier's own voice."""

    model_config = TABLE

    language: str = Field(
        default="en-US", pattern=r"^[a-z]{2,3}(-[A-Z]{2})?$", description="Of the sentences: en-US, de-DE and so on."
    )
    unavailable: str = Field(
        default="Sorry, nobody can take your call at the moment. Please call again later.",
        min_length=1,
        max_length=500,
        description="The agent is broken or switched off, or the host is shutting down.",
    )
    busy: str = Field(
        default="Sorry, all lines are busy. Please call again in a few minutes.",
        min_length=1,
        max_length=500,
        description="A limit is reached.",
    )
    unknown_number: str = Field(
        default="Sorry, this number is not in service.",
        min_length=1,
        max_length=500,
        description="No agent answers the number that was called.",
    )
    failed: str = Field(
        default="Sorry, something went wrong. Please call again.",
        min_length=1,
        max_length=500,
        description="A call has failed.",
    )
    audio_url: HttpUrl | None = Field(
        default=None, description="A recording that the carrier fetches and plays instead of any of these sentences."
    )


class PhoneSettings(BaseModel):
    """`[phone]`."""

    model_config = TABLE

    public_url: Annotated[HttpUrl, AfterValidator(_public_url)] | None = Field(
        default=None,
        description="The address at which carriers reach this host, without a path, e.g. https://voice.example.com. "
        "Twilio's signatures are computed over it.",
    )
    numbers: Annotated[
        Mapping[PhoneNumber, Annotated[NumberSettings, BeforeValidator(_number)]], AfterValidator(read_only)
    ] = Field(default_factory=empty_table, description="Which agent answers which number.")
    twilio: TwilioSettings | None = None
    telnyx: TelnyxSettings | None = None
    vonage: VonageSettings | None = None
    sentences: SentenceSettings = SentenceSettings()
    outbound: OutboundSettings = OutboundSettings()
    transfer: TransferSettings = TransferSettings()
