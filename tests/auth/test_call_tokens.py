"""Call tokens: what they say, and everything that is refused."""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path
from typing import Any

import jwt
import pytest

from voice_host.auth import call_tokens
from voice_host.auth.call_tokens import BadToken, CallTokens
from voice_host.auth.key_file import KeyFileError
from voice_host.auth.token_secret import secret_beside

SECRET = b"x" * 32


class Clock:
    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def tokens(clock: Clock) -> CallTokens:
    return CallTokens(SECRET, max_ttl_s=600, clock=clock)


def test_a_token_says_what_was_put_into_it(tokens: CallTokens) -> None:
    text, made = tokens.mint("desk", ttl_s=60, subject="ada", metadata={"name": "Ada"}, single_use=True, key_id="k1")
    assert tokens.read(text) == made
    assert (made.agent_id, made.subject, made.metadata, made.key_id) == ("desk", "ada", {"name": "Ada"}, "k1")
    text, other = tokens.mint("desk", ttl_s=60, maker="m1")
    assert other.subject.startswith("anonymous-")
    assert tokens.read(text) == other
    assert other.maker == "m1"


def test_its_time_is_short(tokens: CallTokens, clock: Clock) -> None:
    text, _ = tokens.mint("desk", ttl_s=60)
    clock.now += 60 + call_tokens.CLOCK_SKEW_S - 1
    assert tokens.read(text)
    clock.now += 1
    with pytest.raises(BadToken, match="expired"):
        tokens.read(text)
    for ttl_s in (0, -1, 601):
        with pytest.raises(ValueError, match="1 to 600 s"):
            tokens.mint("desk", ttl_s=ttl_s)


def test_a_token_that_is_used_once_works_once(tokens: CallTokens) -> None:
    text, made = tokens.mint("desk", ttl_s=60, single_use=True)
    first, second = tokens.read(text), tokens.read(text)
    assert tokens.redeem(first)
    assert not tokens.redeem(second)
    with pytest.raises(BadToken, match="used already"):
        tokens.read(text)
    text, again = tokens.mint("desk", ttl_s=60)
    assert all(tokens.redeem(again) for _ in range(3))
    assert made.single_use


def test_used_tokens_are_forgotten_when_they_have_expired_and_no_sooner(
    tokens: CallTokens, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(call_tokens, "MAX_REMEMBERED", 4)
    first, second, third = (tokens.mint("desk", ttl_s=60, single_use=True)[1] for _ in range(3))
    assert tokens.redeem(first)
    assert tokens.redeem(second)
    assert not tokens.redeem(third)  # rather than forgetting one that could still be used again
    clock.now += 60 + call_tokens.CLOCK_SKEW_S
    assert tokens.redeem(tokens.mint("desk", ttl_s=60, single_use=True)[1])


def test_one_key_cannot_use_up_the_memory_of_all(tokens: CallTokens, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(call_tokens, "MAX_REMEMBERED", 100)

    def used(**maker: str) -> int:
        made = [tokens.mint("desk", ttl_s=60, single_use=True, **maker) for _ in range(100)]
        count = sum(tokens.redeem(token) for _, token in made)
        with pytest.raises(BadToken, match="too many single-use call tokens of the same key"):
            tokens.read(made[-1][0])
        return count

    assert [used(key_id="greedy"), used(key_id="other"), used(maker="third"), used()] == [50, 25, 13, 6]
    assert tokens.redeem(tokens.mint("desk", ttl_s=60, single_use=True, key_id="late")[1])


@pytest.mark.parametrize("jump_s", [86_400, 200, -3_600])
def test_a_used_token_stays_used_whatever_the_clock_does(tokens: CallTokens, clock: Clock, jump_s: int) -> None:
    text, made = tokens.mint("desk", ttl_s=60, single_use=True)
    assert tokens.redeem(made)
    for moment in (clock.now + jump_s, clock.now + 100, clock.now + 1):
        clock.now = moment
        # Whatever is used at that time makes the host forget what has expired.
        tokens.redeem(tokens.mint("desk", ttl_s=30, single_use=True)[1])
        with pytest.raises(BadToken):
            tokens.read(text)
        assert not tokens.redeem(made)
    clock.now += 60
    assert tokens.redeem(tokens.mint("desk", ttl_s=600, single_use=True)[1])


def test_a_clock_that_was_wrong_for_a_moment_locks_nobody_out(tokens: CallTokens, clock: Clock) -> None:
    assert tokens.redeem(tokens.mint("desk", ttl_s=60, single_use=True)[1])
    clock.now += 86_400
    tokens.redeem(tokens.mint("desk", ttl_s=60, single_use=False)[1])
    with pytest.raises(BadToken):
        tokens.read("x")
    clock.now -= 86_400
    text, made = tokens.mint("desk", ttl_s=120, single_use=True)
    assert tokens.read(text) == made
    assert tokens.redeem(made)


def claims(clock: Clock, **changes: Any) -> dict[str, Any]:
    now = int(clock.now)
    sound = {
        "iss": "voice-host",
        "aud": "voice-host",
        "iat": now,
        "exp": now + 60,
        "jti": "1",
        "sub": "a",
        "agent": "b",
    }
    return {name: value for name, value in (sound | changes).items() if value is not None}


def test_a_token_that_somebody_else_signed_with_the_secret_is_one(tokens: CallTokens, clock: Clock) -> None:
    assert tokens.read(jwt.encode(claims(clock), SECRET, algorithm="HS256")).subject == "a"


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": "somebody-else"},
        {"aud": None},
        {"iss": "somebody-else"},
        {"iss": None},
        {"exp": None},
        {"iat": None},
        {"jti": None},
        {"sub": None},
        {"agent": None},
        {"agent": ["a", "b"]},
        {"agent": ""},
        {"iat": 1_800_000_100, "exp": 1_800_000_160},
        {"exp": 1_800_000_000 + 601},
        {"exp": "1800000060"},
        {"exp": 1e300},
        {"exp": True},
        {"metadata": "text"},
        {"single_use": "yes"},
        {"key": 7},
    ],
)
def test_claims_that_are_missing_or_wrong(tokens: CallTokens, clock: Clock, changes: dict[str, Any]) -> None:
    with pytest.raises(BadToken):
        tokens.read(jwt.encode(claims(clock, **changes), SECRET, algorithm="HS256"))


def test_forged_tokens(tokens: CallTokens, clock: Clock) -> None:
    text, _ = tokens.mint("desk", ttl_s=60)
    head, body, signature = text.split(".")
    unsigned = base64.urlsafe_b64encode(b'{"alg":"none","typ":"JWT"}').rstrip(b"=").decode()
    changed = base64.urlsafe_b64encode(json.dumps(claims(clock, sub="root")).encode()).rstrip(b"=").decode()
    forged = [
        jwt.encode(claims(clock), b"y" * 32, algorithm="HS256"),
        jwt.encode(claims(clock), b"x" * 64, algorithm="HS512"),
        f"{unsigned}.{body}.",
        f"{unsigned}.{body}.{signature}",
        f"{head}.{changed}.{signature}",
        f"{head}.{body}.",
        f"{head}.{body}",
        f"{head}..{signature}",
        "",
        "...",
        "ä.ö.ü",
        text + "x" * call_tokens.MAX_TOKEN_CHARACTERS,
    ]
    for token in forged:
        with pytest.raises(BadToken):
            tokens.read(token)
    assert tokens.read(text)


def test_a_short_secret_is_refused() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        CallTokens(b"x" * 31, max_ttl_s=60)


def test_a_secret_is_made_once_beside_the_key_file(tmp_path: Path) -> None:
    keys_file = tmp_path / "new" / "keys.json"
    secret = secret_beside(keys_file)
    assert len(secret) == 64
    assert secret_beside(keys_file) == secret
    made = tmp_path / "new" / "keys.json.token-secret"
    assert made.stat().st_mode & 0o077 == 0
    made.write_text("short\n")
    with pytest.raises(KeyFileError, match="less than 32 bytes"):
        secret_beside(keys_file)


@pytest.mark.skipif(os.name == "nt", reason="file modes")
@pytest.mark.parametrize(("mode", "advice"), [(0o666, "chmod o-w"), (0o644, "chmod o-rwx"), (0o602, "chmod o-w")])
def test_a_secret_that_others_may_read_or_write_is_refused(tmp_path: Path, mode: int, advice: str) -> None:
    keys_file = tmp_path / "keys.json"
    secret = secret_beside(keys_file)
    made = tmp_path / "keys.json.token-secret"
    made.chmod(mode)
    with pytest.raises(KeyFileError, match=advice):
        secret_beside(keys_file)
    made.chmod(0o640)  # a group is somebody's choice
    assert secret_beside(keys_file) == secret


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="FIFOs")
def test_a_secret_in_a_fifo_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "keys.json.token-secret", 0o600)
    with pytest.raises(KeyFileError, match="not a regular file"):
        secret_beside(tmp_path / "keys.json")
