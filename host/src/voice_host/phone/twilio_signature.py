"""Twilio's signatures of webhooks and of requests for media streams. No I/O.

Twilio signs the address that it was given, followed by each field of a form, sorted: name and value. The body of any
other kind is covered by its SHA-256 in the query.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

HEADER = "x-twilio-signature"
SETTINGS_HEADER = "x-twilio-webhooks-signature-settings"

_DEFAULT_PORTS = {"https": 443, "wss": 443, "http": 80, "ws": 80}


@dataclass(frozen=True, slots=True)
class Secrets:
    """The secrets with which Twilio signs.

    Attributes:
        auth_token: of the account, for HMAC-SHA1.
        shared_key: for HMAC-SHA256; None: there is none, and such signatures are not valid.
    """

    auth_token: str = field(repr=False)
    shared_key: str | None = field(default=None, repr=False)


def why_not_signed(
    secrets: Secrets, headers: Mapping[str, str], url: str, form: Iterable[tuple[str, str]] = (), body: bytes = b""
) -> str | None:
    """Return why a request is not Twilio's; None: it is.

    Args:
        secrets: of the account.
        headers: of the request; names in lower case.
        url: the address that Twilio was given, with its query.
        form: the fields of the body, in which names may be repeated.
        body: what the request has instead of a form.
    """
    signature = headers.get(HEADER, "")
    if not signature:
        return f"the header {HEADER} is missing"
    algorithm = _algorithm(headers.get(SETTINGS_HEADER, ""))
    if algorithm == "HMAC_SHA1" and secrets.auth_token:
        key, digest = secrets.auth_token, "sha1"
    elif algorithm == "HMAC_SHA256" and secrets.shared_key:
        key, digest = secrets.shared_key, "sha256"
    else:  # also if the key is empty: anybody could sign with it
        return f"there is no key for signatures with {algorithm[:40]}"
    if body and not _covers(url, body):
        return "the body is not what was signed"
    fields = "".join(name + value for name, value in sorted(set(form)))
    given = signature.encode(errors="replace")
    # All are compared, so that the time does not depend on which one fits.
    fits = [hmac.compare_digest(_signature(key, each + fields, digest), given) for each in _spellings(url)]
    return None if any(fits) else "the signature is wrong"


def _algorithm(settings: str) -> str:
    """Return the algorithm in `key=...,algorithm=...`."""
    for part in settings.split(","):
        name, _, value = part.partition("=")
        if name.strip() == "algorithm" and value.strip():
            return value.strip().upper()
    return "HMAC_SHA1"


def _covers(url: str, body: bytes) -> bool:
    """Whether the query has the SHA-256 of the body."""
    given = parse_qs(urlsplit(url).query).get("bodySHA256", [""])[0]
    return hmac.compare_digest(hashlib.sha256(body).hexdigest().encode(), given.encode(errors="replace"))


def _spellings(url: str) -> list[str]:
    """Return the address as it was given, without a port, and with one: which of them Twilio signs is not certain."""
    parts = urlsplit(url)
    host = parts.netloc if parts.port is None else parts.netloc.rpartition(":")[0]
    port = parts.port or _DEFAULT_PORTS.get(parts.scheme, 443)
    return [url, parts._replace(netloc=host).geturl(), parts._replace(netloc=f"{host}:{port}").geturl()]


def _signature(key: str, text: str, digest: str) -> bytes:
    return base64.b64encode(hmac.digest(key.encode(), text.encode(errors="surrogatepass"), digest))
