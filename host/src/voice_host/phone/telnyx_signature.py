"""The signature of Telnyx' webhooks: Ed25519 over `<timestamp>|<body>`."""

from __future__ import annotations

import base64
import binascii
import time
from collections.abc import Mapping

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

TOLERANCE_S = 300
"""How old a webhook may be, so that a recorded one is of no use later. As in Telnyx' own libraries."""


def public_key(text: str) -> Ed25519PublicKey | None:
    """Return the key that the portal shows; None: the text is not Base64 of 32 bytes."""
    try:
        return Ed25519PublicKey.from_public_bytes(base64.b64decode(text, validate=True))
    except ValueError:
        return None


def why_not_signed(key: Ed25519PublicKey | None, headers: Mapping[str, str], body: bytes) -> str | None:
    """Check the signature of a webhook. Returns why it is not valid; None: it is.

    Args:
        key: of `public_key`.
        headers: of the request, whose names are not case-sensitive.
        body: of the request, unchanged.
    """
    if key is None:
        return "phone.telnyx.public_key is not Base64 of 32 bytes"
    timestamp = headers.get("telnyx-timestamp", "")
    signature = headers.get("telnyx-signature-ed25519", "")
    if not timestamp or not signature:
        return "it has no signature"
    if not (timestamp.isascii() and timestamp.isdecimal() and len(timestamp) < 16):
        return "its timestamp is not a number"
    if abs(time.time() - int(timestamp)) > TOLERANCE_S:
        return "its timestamp is too far from this host's clock"
    try:
        key.verify(base64.b64decode(signature, validate=True), timestamp.encode() + b"|" + body)
    except (InvalidSignature, binascii.Error):
        return "its signature is wrong: is phone.telnyx.public_key that of the account?"
    return None
