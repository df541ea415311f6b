"""API keys: what is kept of them, and what lets in."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import secrets
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path
from unittest.mock import Mock

import pytest
from pydantic import ValidationError

from voice_host.auth import private_file
from voice_host.auth.api_keys import SCOPES, matches, new_key, split_key
from voice_host.auth.key_file import KeyFile, KeyFileError
from voice_host.auth.key_ring import KeyRing
from voice_host.auth.principal import ANYBODY, Principal

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def made(file: KeyFile, name: str = "site", **options: object) -> tuple[str, str]:
    """Put a key into a file and return its id and the key."""
    key, text = new_key(name, now=datetime.now(UTC), **options)  # type: ignore[arg-type]
    file.add(key)
    return key.id, text


def test_a_key_is_random_and_only_its_hash_is_kept() -> None:
    key, text = new_key("site", now=NOW)
    parts = split_key(text)
    assert parts is not None
    key_id, secret = parts
    assert key_id == key.id
    assert len(secret) == 43  # 256 bits in base64
    assert secret not in key.model_dump_json()
    assert key.sha256 not in repr(key)
    assert new_key("site", now=NOW)[1] != text
    assert matches(key, secret)
    assert not matches(key, secret[:-1] + ("A" if secret[-1] != "A" else "B"))
    assert not matches(None, secret)


def test_secrets_are_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    compared = []

    def compare(left: str, right: str) -> bool:
        compared.append((left, right))
        return left == right

    monkeypatch.setattr(secrets, "compare_digest", compare)
    key, _ = new_key("site", now=NOW)
    assert not matches(key, "wrong")
    assert not matches(None, "wrong")  # an unknown id costs the same
    assert len(compared) == 2


@pytest.mark.parametrize("name", ["", "x" * 101, "two\nlines", " around ", "\x1b[31m"])
def test_a_name_is_a_line_of_text(name: str) -> None:
    with pytest.raises(ValidationError, match="name"):
        new_key(name, now=NOW)


@pytest.mark.parametrize(
    "text", ["", "vh_", "vh_abc_def", "sk-" + "x" * 48, "vh_" + "a" * 12 + "_" + "b" * 44, "vh_ü_x"]
)
def test_what_is_no_key_is_not_looked_up(text: str) -> None:
    assert split_key(text) is None


@pytest.mark.skipif(os.name == "nt", reason="file modes")
def test_the_file_is_for_its_owner_alone_and_replaced_whole(tmp_path: Path) -> None:
    file = KeyFile(tmp_path / "new" / "keys.json")
    first, _ = made(file)
    before = file.path.stat().st_ino
    made(file, "other")
    assert stat.S_IMODE(file.path.stat().st_mode) == 0o600
    assert file.path.stat().st_ino != before
    assert [key.name for key in file.read()] == ["site", "other"]
    file.revoke(first)
    assert [key.name for key in file.read()] == ["other"]
    assert {path.name for path in file.path.parent.iterdir()} == {"keys.json", "keys.json.lock"}


@pytest.mark.skipif(getattr(os, "geteuid", lambda: 1)() != 0, reason="only root may give files away")
def test_a_key_that_root_makes_can_be_read_by_the_owner_of_the_file(tmp_path: Path) -> None:
    file = KeyFile(tmp_path / "keys.json")
    made(file)
    os.chown(file.path, 12345, 54321)
    made(file, "other")
    assert (file.path.stat().st_uid, file.path.stat().st_gid) == (12345, 54321)


def test_a_name_that_two_keys_have_revokes_neither(tmp_path: Path) -> None:
    file = KeyFile(tmp_path / "keys.json")
    first, _ = made(file)
    made(file)
    with pytest.raises(LookupError, match=first):
        file.revoke("site")
    assert len(file.read()) == 2


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{", "is not a key file"),
        ('{"version": 1, "keys": [{"id": "x"}]}', "is not a key file: keys.0"),
        ('{"version": 2, "keys": []}', "later voice-host"),
        ("\xff", "not UTF-8"),
    ],
)
def test_a_file_that_is_none_is_an_error_that_says_so(tmp_path: Path, text: str, why: str) -> None:
    path = tmp_path / "keys.json"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(KeyFileError, match=why):
        KeyRing(path)
    with pytest.raises(KeyFileError, match=why):
        KeyFile(path).add(new_key("site", now=NOW)[0])
    assert path.read_bytes() == text.encode("latin-1")


@pytest.mark.skipif(os.name == "nt", reason="file modes")
def test_a_file_that_anybody_may_write_lets_nobody_in(tmp_path: Path) -> None:
    file = KeyFile(tmp_path / "keys.json")
    made(file)
    file.path.chmod(0o666)
    with pytest.raises(KeyFileError, match="chmod o-w"):
        KeyRing(file.path)


async def test_a_ring_follows_its_file_without_a_restart(tmp_path: Path) -> None:
    time_s = 0.0
    file = KeyFile(tmp_path / "keys.json")
    ring = KeyRing(file.path, monotonic=lambda: time_s)
    key_id, text = made(file, scopes=SCOPES)
    assert await ring.find(text) is None  # not looked at again yet
    time_s = 1.0
    found = await ring.find(text)
    assert found is not None
    assert (found.id, found.scopes) == (key_id, SCOPES)
    assert await ring.is_valid(key_id)

    file.revoke(key_id)
    time_s = 2.0
    assert await ring.find(text) is None
    assert not await ring.is_valid(key_id)


def test_a_key_for_everything_is_not_limited_to_agents() -> None:
    with pytest.raises(ValidationError, match="for all agents"):
        new_key("site", now=NOW, scopes=["admin"], agents=["front-desk"])
    admin, one = (Principal(scopes=frozenset({scope})) for scope in ("admin", "logs"))
    assert [scope for scope in SCOPES if admin.may(scope)] == list(SCOPES)
    assert [scope for scope in SCOPES if one.may(scope)] == ["logs"]


def test_without_authentication_nobody_may_deploy_or_read_logs() -> None:
    assert {scope for scope in SCOPES if not ANYBODY.may(scope)} == {"deploy", "logs", "dial", "admin"}


@pytest.mark.parametrize("harm", ["unlink", "spoil"])
async def test_a_file_that_is_lost_or_spoilt_lets_nobody_in(tmp_path: Path, harm: str) -> None:
    file = KeyFile(tmp_path / "keys.json")
    _, text = made(file)
    ring = KeyRing(file.path, recheck_s=0)
    assert await ring.find(text)
    whole = file.path.read_text()
    if harm == "unlink":
        file.path.unlink()
    else:
        file.path.write_text(whole[:-20])
    assert await ring.find(text) is None
    file.path.write_text(whole)
    assert await ring.find(text)


@pytest.mark.parametrize("number", [errno.EMFILE, errno.EIO])
async def test_a_failed_read_lets_nobody_in_until_the_next_one(
    tmp_path: Path, number: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    file = KeyFile(tmp_path / "keys.json")
    _, text = made(file)
    ring = KeyRing(file.path, recheck_s=0)
    made(file, "other")
    with monkeypatch.context() as broken:
        broken.setattr(private_file.os, "open", Mock(side_effect=OSError(number, os.strerror(number))))
        for _ in range(3):
            assert await ring.find(text) is None
        assert [record.getMessage() for record in caplog.records] == ["api_keys_unreadable"], "once, not at every check"
    assert await ring.find(text), "the file has not changed since"
    assert len(ring) == 2


async def test_a_ring_waits_for_a_file_that_is_being_written(tmp_path: Path) -> None:
    file = KeyFile(tmp_path / "keys.json")
    _, text = made(file)
    whole = file.path.read_bytes()
    ring = KeyRing(file.path, recheck_s=0)
    file.path.write_bytes(whole[:50])
    before = file.path.stat()
    assert await ring.find(text) is None
    # The rest may come within the same tick of the file system's clock; then nothing but the content differs.
    file.path.write_bytes(whole)
    os.utime(file.path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert await ring.find(text)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="FIFOs")
async def test_what_is_no_regular_file_is_refused_at_once(tmp_path: Path) -> None:
    file = KeyFile(tmp_path / "keys.json")
    _, text = made(file)
    ring = KeyRing(file.path, recheck_s=0)
    file.path.unlink()
    os.mkfifo(file.path)
    async with asyncio.timeout(30):
        assert await ring.find(text) is None
    for path in (file.path, Path("/dev/zero"), tmp_path):
        with pytest.raises(KeyFileError, match="not a regular file"):
            KeyFile(path).read()


def test_a_file_that_is_too_large_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    with path.open("wb") as file:
        file.truncate(private_file.MAX_FILE_BYTES + 1)
    with pytest.raises(KeyFileError, match="more than"):
        KeyFile(path).read()


@pytest.mark.skipif(os.name == "nt", reason="links")
def test_a_link_stays_and_what_it_leads_to_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "secrets").mkdir()
    link = tmp_path / "keys.json"
    link.symlink_to(Path("secrets", "real.json"))
    made(KeyFile(link))
    assert link.is_symlink()
    made(KeyFile(link), "other")
    assert link.is_symlink()
    assert [key.name for key in KeyFile(tmp_path / "secrets" / "real.json").read()] == ["site", "other"]
    assert {path.name for path in tmp_path.iterdir()} == {"keys.json", "secrets"}, "the lock is the target's, too"


def test_a_key_for_no_agent_is_not_one_for_all() -> None:
    assert new_key("site", now=NOW, agents=[])[0].agents == ()
    assert new_key("site", now=NOW)[0].agents is None


async def test_a_key_expires(tmp_path: Path) -> None:
    file = KeyFile(tmp_path / "keys.json")
    now = datetime.now(UTC)
    _, text = made(file, expires_in=timedelta(days=1))
    ring = KeyRing(file.path, now=lambda: now)
    assert await ring.find(text)
    now += timedelta(days=1, seconds=1)
    assert await ring.find(text) is None


async def test_a_wrong_secret_finds_nothing(tmp_path: Path) -> None:
    file = KeyFile(tmp_path / "keys.json")
    key_id, text = made(file)
    ring = KeyRing(file.path)
    assert await ring.find(text)
    assert await ring.find(f"vh_{key_id}_{secrets.token_urlsafe(32)}") is None
    assert await ring.find(f"{text} ") is None
    assert json.loads(file.path.read_text())["keys"][0]["sha256"] not in text
