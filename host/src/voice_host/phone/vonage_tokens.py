"""Vonage's JSON Web Tokens: those that sign its webhooks, and those with which the host uses its REST API."""

from __future__ import annotations

import hashlib
import hmac
import time
import uuid
from typing import Any

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

TOLERANCE_S = 300
"""How old a webhook may be, so that a recorded one is of no use later."""

TOKEN_LIFETIME_S = 60
"""Of a token for the REST API, which is made for each request."""


def private_key(pem: str) -> RSAPrivateKey | None:
    """Return the key of an application; None: the text is no RSA key without a password."""
    try:
        key = load_pem_private_key(pem.encode(), None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return None
    return key if isinstance(key, RSAPrivateKey) else None


def rest_token(key: RSAPrivateKey, application_id: str) -> str:
    """Return a token for a request to the REST API."""
    now_s = int(time.time())
    claims = {"application_id": application_id, "iat": now_s, "exp": now_s + TOKEN_LIFETIME_S, "jti": str(uuid.uuid4())}
    return jwt.encode(claims, key, algorithm="RS256")


def why_not_signed(secret: str, application_id: str, authorization: str, body: bytes) -> str | None:
    """Check the token of a webhook. Returns why it is not valid; None: it is.

    Args:
        secret: the signature secret of the account.
        application_id: whose webhook it must be.
        authorization: the header of the request.
        body: of the request, unchanged; its SHA-256 is part of the token.
    """
    if not secret:
        return "phone.vonage.signature_secret is empty: anybody could sign with it"
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer" or not token:
        return "it has no token: are signed webhooks on in the application's settings?"
    try:
        claims: dict[str, Any] = jwt.decode(
            token,
            secret,
            algorithms=["HS256"],
            leeway=TOLERANCE_S,
            options={"require": ["iat", "payload_hash"], "verify_aud": False},
        )
    except jwt.InvalidSignatureError:
        return "its signature is wrong: is phone.vonage.signature_secret that of the account?"
    except jwt.InvalidTokenError as error:
        return f"its token is not valid: {type(error).__name__}"
    if abs(time.time() - float(claims["iat"])) > TOLERANCE_S:
        return "its token is too old, or this host's clock is wrong"
    if claims.get("application_id", application_id) != application_id:
        return "it is of another application than phone.vonage.application_id"
    if not hmac.compare_digest(str(claims["payload_hash"]).encode(), hashlib.sha256(body).hexdigest().encode()):
        return "its body is not the one that was signed"
    return None
