"""Call tokens: signed, short-lived credentials for calls to one agent, which a server gives to a browser."""

from __future__ import annotations

import heapq
import time
import uuid
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jwt

from voice_host.auth.addresses import agent_address, split_address

ALGORITHM = "HS256"
ISSUER = AUDIENCE = "voice-host"

CLIENT_SECRET_PREFIX = "ek_"
"""Put before a token for clients of OpenAI Realtime: in a browser they refuse a credential without it."""

MIN_SECRET_BYTES = 32
"""RFC 7518, 3.2: a key for HS256 must have at least the 256 bits of its hash."""

MAX_TOKEN_CHARACTERS = 7000
"""Longer ones are refused unread. One with the longest subject and metadata has 6500 characters; the WebSocket library
accepts header lines of 8192."""

CLOCK_SKEW_S = 10
"""Tolerated difference between the clocks of hosts that share a secret."""

MAX_REMEMBERED = 100_000
"""Used tokens that are remembered until they expire, some 30 MB. One maker may use as many as are left free: one alone
50,000, two 33,000 each, so a further one always has room. Beyond that, single-use tokens are refused."""

_REQUIRED = ["iss", "aud", "iat", "exp", "jti", "sub", "agent"]


class BadToken(Exception):
    """The token is not valid. The message is safe to send to the client."""


@dataclass(frozen=True, slots=True)
class CallToken:
    """The contents of a token.

    Attributes:
        id: random.
        agent_id: the agent it is for.
        target: the alias or release it is for; None: production.
        subject: the caller it was made for.
        expires_at: seconds since the epoch.
        metadata: for `Session.metadata`.
        single_use: whether it is valid for one call only.
        key_id: the API key it was made with, if any; revoking that key revokes the token.
        maker: who made it, if an extension's authenticator identified them instead of a key; a digest.
    """

    id: str
    agent_id: str
    subject: str
    expires_at: int
    metadata: Mapping[str, Any]
    single_use: bool
    key_id: str | None
    maker: str | None = None
    target: str | None = None


class CallTokens:
    """Mints and reads call tokens.

    Args:
        secret: at least `MIN_SECRET_BYTES` bytes. Hosts that share it accept each other's tokens.
        max_ttl_s: the longest lifetime of a token, also of one that was signed elsewhere.
        clock: seconds since the epoch.
    """

    def __init__(self, secret: bytes, *, max_ttl_s: int, clock: Callable[[], float] = time.time) -> None:
        if len(secret) < MIN_SECRET_BYTES:
            raise ValueError(f"the secret of call tokens has less than {MIN_SECRET_BYTES} bytes")
        self._secret = secret
        self.max_ttl_s = max_ttl_s
        self._clock = clock
        self._used = _UsedTokens(clock)

    def mint(
        self,
        agent_id: str,
        *,
        ttl_s: int,
        subject: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        single_use: bool = False,
        key_id: str | None = None,
        maker: str | None = None,
        target: str | None = None,
    ) -> tuple[str, CallToken]:
        """Return a token and its contents. Without a subject, it gets a random one."""
        if not 0 < ttl_s <= self.max_ttl_s:
            raise ValueError(f"the lifetime of a token must be 1 to {self.max_ttl_s} s, not {ttl_s}")
        now = int(self._clock())
        token_id = uuid.uuid4().hex
        who = subject or f"anonymous-{token_id}"
        made = CallToken(token_id, agent_id, who, now + ttl_s, metadata or {}, single_use, key_id, maker, target)
        claims = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "iat": now,
            "exp": made.expires_at,
            "jti": made.id,
            "sub": made.subject,
            "agent": agent_address(agent_id, target),
            "metadata": dict(made.metadata),
            "single_use": made.single_use,
        }
        made_by = {name: value for name, value in (("key", key_id), ("maker", maker)) if value}
        return jwt.encode(claims | made_by, self._secret, algorithm=ALGORITHM), made

    def read(self, text: str) -> CallToken:
        """Verify a token, with or without `CLIENT_SECRET_PREFIX`, and return its contents.

        Raises:
            BadToken: it is forged, expired, used up, or not a call token.
        """
        text = text.removeprefix(CLIENT_SECRET_PREFIX)
        if len(text) > MAX_TOKEN_CHARACTERS:
            raise BadToken("this is not a call token: it is too long")
        try:
            # The times are checked below, by `self._clock`.
            claims = jwt.decode(
                text,
                self._secret,
                algorithms=[ALGORITHM],
                audience=AUDIENCE,
                issuer=ISSUER,
                options={"require": _REQUIRED, "verify_exp": False, "verify_iat": False},
            )
        except jwt.InvalidTokenError as error:
            raise BadToken("this is not a call token of this host") from error
        token = self._checked(claims)
        if token.single_use and (why := self._used.why_not(token)):
            raise BadToken(why)
        return token

    def redeem(self, token: CallToken) -> bool:
        """Use a token for a call. Returns False if it was used up meanwhile, or cannot be recorded as used."""
        return not token.single_use or self._used.add(token)

    def _checked(self, claims: Mapping[str, Any]) -> CallToken:
        issued, expires, now = claims["iat"], claims["exp"], self._clock()
        texts = (claims["jti"], claims["agent"], claims["sub"])
        metadata, single_use = claims.get("metadata", {}), claims.get("single_use", False)
        made_by = (claims.get("key"), claims.get("maker"))
        well_formed = (
            all(type(moment) is int for moment in (issued, expires))
            and all(isinstance(text, str) and text for text in texts)
            and isinstance(metadata, dict)
            and isinstance(single_use, bool)
            and all(text is None or isinstance(text, str) for text in made_by)
        )
        if not well_formed:
            raise BadToken("this is not a call token of this host")
        if now >= expires + CLOCK_SKEW_S:
            raise BadToken("the call token has expired")
        if issued > now + CLOCK_SKEW_S or expires - issued > self.max_ttl_s:
            raise BadToken("the call token is for another time")
        agent_id, target = split_address(texts[1])
        return CallToken(texts[0], agent_id, texts[2], expires, metadata, single_use, *made_by, target)


class _UsedTokens:
    """The used tokens, each until it expires.

    If the clock were set back, dropped tokens would be valid again. So a token is refused if it expires no later than
    one that was dropped.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._makers: dict[str, str] = {}  # by the token's id
        self._of_maker: Counter[str] = Counter()
        self._expiries: list[tuple[int, str]] = []
        self._forgotten_until = 0
        """The latest expiry of a token that was dropped."""

    def why_not(self, token: CallToken) -> str | None:
        """Return why a token cannot be used; None: it can."""
        self._forget_expired()
        if token.id in self._makers:
            return "the call token was used already"
        if token.expires_at <= self._forgotten_until:
            return "the call token is for another time"
        if self._of_maker[_maker(token)] >= MAX_REMEMBERED - len(self._makers):
            return "too many single-use call tokens of the same key were used: try again in a few minutes"
        return None

    def add(self, token: CallToken) -> bool:
        """Record a token as used. Returns False if it cannot be used."""
        if self.why_not(token) is not None:
            return False
        self._makers[token.id] = _maker(token)
        self._of_maker[_maker(token)] += 1
        heapq.heappush(self._expiries, (token.expires_at, token.id))
        return True

    def _forget_expired(self) -> None:
        now = self._clock() - CLOCK_SKEW_S
        while self._expiries and self._expiries[0][0] <= now:
            self._forgotten_until, token_id = heapq.heappop(self._expiries)
            maker = self._makers.pop(token_id)
            self._of_maker[maker] -= 1
            if not self._of_maker[maker]:
                del self._of_maker[maker]


def _maker(token: CallToken) -> str:
    """Return the maker whose quota a token counts towards; empty for tokens signed elsewhere."""
    return token.key_id or token.maker or ""
