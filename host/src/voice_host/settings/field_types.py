"""The pydantic configuration of the settings' tables, and the types of their fields."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, ConfigDict, SecretStr, StringConstraints

from voice_host_sdk import AGENT_ID_PATTERN, EXTENSION_NAME_PATTERN

TABLE = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True, allow_inf_nan=False)
"""`inf` and `nan`, which TOML and Python can parse, are not allowed unless a field says so."""


def agent_id_hint(name: str) -> str | None:
    """Return a valid agent id similar to `name`, or None if there is none."""
    near = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:63]
    return near or None


def _named(noun: str, pattern: str) -> AfterValidator:
    def check(name: str) -> str:
        if re.fullmatch(pattern, name) is None:
            hint = agent_id_hint(name)
            raise ValueError(
                f"{name!r} is not {noun}: lower-case letters, digits and hyphens, at most 63"
                + (f"; did you mean {hint!r}?" if hint else "")
            )
        return name

    return AfterValidator(check)


def split_list(value: Any) -> Any:
    """Split a text at commas; return anything else unchanged."""
    # Of the same type, so that the parts of a `SecretText` are kept out of messages, too.
    return [type(value)(part.strip()) for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def lower(value: Any) -> Any:
    """Return a text in lower case, and anything else unchanged."""
    return type(value)(value.lower()) if isinstance(value, str) else value


def read_only(value: Any) -> Any:
    """Return `value` with all tables as read-only mappings and all lists as tuples, recursively."""
    if isinstance(value, Mapping):
        return MappingProxyType({key: read_only(inner) for key, inner in value.items()})
    if isinstance(value, (list, tuple)):
        return tuple(read_only(inner) for inner in value)
    return value


def empty_table() -> Mapping[Any, Any]:
    """Return a read-only empty table. A default factory, because pydantic copies defaults and this cannot be copied."""
    return MappingProxyType({})


def _alias_name(name: str) -> str:
    # A version begins with a digit. Variables separate tables by two underscores, so there are no two hyphens.
    if len(name) > 63 or re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", name) is None:
        raise ValueError(
            f"{name!r} is not an alias: lower-case letters, digits and single hyphens, beginning with a letter, at "
            "most 63"
        )
    return name


def _address(*schemes: str) -> AfterValidator:
    begins = tuple(f"{scheme}://" for scheme in schemes)

    def check(url: str) -> str:
        # The address is left out, since it may contain a password.
        if not url.startswith(begins):
            raise ValueError(f"must be an address starting with {' or '.join(begins)}")
        _check_host_and_port(url)
        return url

    return AfterValidator(check)


def _check_host_and_port(url: str) -> None:
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:  # brackets that are not closed, or are around something else than an IPv6 address
        host = None
    if not host or any(char.isspace() for char in url):
        raise ValueError("must name a host after the slashes, and have no spaces")
    try:
        port = parts.port
    except ValueError:
        port = 0
    if port == 0:
        raise ValueError("the port must be a number from 1 to 65535")


def _site(text: str) -> str:
    origin = text.lower()
    if origin != "*" and re.fullmatch(r"[a-z][a-z0-9+.-]*://(\*\.)?[^\s/?#@*]+", origin) is None:
        raise ValueError(
            f"{text!r} is not the origin of a site: https://www.example.com, with a port if it is not the usual one, "
            "without a path; https://*.example.com and * are allowed, too"
        )
    if origin != "*":
        _check_host_and_port(origin)
    return origin


def long_secret(secret: SecretStr) -> SecretStr:
    """Refuse a secret of less than 32 bytes."""
    if len(secret.get_secret_value().encode()) < 32:
        raise ValueError("must have at least 32 bytes; `openssl rand -base64 48` generates one")
    return secret


def _proxy_address(text: str) -> str:
    try:
        ipaddress.ip_network(text)
    except ValueError:
        raise ValueError(f"{text!r} is not an address or network, such as 10.0.0.7 or 10.0.0.0/8") from None
    return text


ProxyAddress = Annotated[str, AfterValidator(_proxy_address)]
WebSocketUrl = Annotated[str, _address("wss", "ws")]
HttpUrl = Annotated[str, _address("https", "http")]
AgentId = Annotated[str, _named("an agent id", AGENT_ID_PATTERN)]
AliasName = Annotated[str, AfterValidator(_alias_name)]
"""The alias of a release, e.g. `staging`."""
AgentIds = Annotated[tuple[AgentId, ...], BeforeValidator(split_list)]
"""A list of agent ids; in a variable or an option they are separated by commas."""
Globs = Annotated[tuple[Annotated[str, StringConstraints(min_length=1)], ...], BeforeValidator(split_list)]
"""Names, in which `*` stands for any characters; in a variable they are separated by commas."""
ExtensionName = Annotated[str, _named("an extension's name", EXTENSION_NAME_PATTERN)]
ExtensionNames = Annotated[tuple[ExtensionName, ...], BeforeValidator(split_list)]
Origins = Annotated[tuple[Annotated[str, AfterValidator(_site)], ...], BeforeValidator(split_list)]
"""Sites whose pages may call, e.g. `https://www.example.com`; in a variable they are separated by commas."""
