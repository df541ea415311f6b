"""`voice-host serve` on an address that others reach: what it takes to start, and that it tells its log no secret."""

from __future__ import annotations

import json
import signal
import urllib.error
import urllib.request
from contextlib import ExitStack
from pathlib import Path

import pytest
from typer.testing import CliRunner
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from tests.front.test_authorization import key_for
from tests.front.test_process import process, pytestmark  # noqa: F401 (the mark is this module's too)
from tests.front.test_who_may_call import Speaks
from tests.ports import free_port
from voice_host.auth.authentication import build_authentication
from voice_host.auth.key_file import KeyFile
from voice_host.cli.commands import app
from voice_host.fleet.service import CannotServe
from voice_host.front.run import checked_authentication, who_may_call
from voice_host.settings import load_settings

GUARDED = '[server]\nhost = "0.0.0.0"\nlog_level = "debug"\nlog_format = "json"\n[auth]\nkeys_file = "keys.json"\n'


def test_an_address_that_others_reach_needs_a_decision(tmp_path: Path) -> None:
    outside = load_settings(environ={"VOICE_HOST_SERVER__HOST": "0.0.0.0"})
    with pytest.raises(CannotServe, match="there is no authentication") as refusal:
        checked_authentication(outside, {}, insecure=False)
    assert "keys_file" in refusal.value.hint
    assert "--insecure" in refusal.value.hint
    assert not checked_authentication(outside, {}, insecure=True).required
    assert checked_authentication(outside, {"door": Speaks(None)}, insecure=False).required
    assert not checked_authentication(load_settings(environ={}), {}, insecure=False).required  # loopback

    (tmp_path / "host.toml").write_text(GUARDED)
    guarded = load_settings(tmp_path / "host.toml", environ={})
    assert checked_authentication(
        guarded, {}, insecure=True
    ).required  # --insecure does not turn off what is configured
    assert "there are none yet" in str(who_may_call(build_authentication(guarded), "0.0.0.0"))
    assert "Anybody who reaches 0.0.0.0" in str(who_may_call(build_authentication(outside), "0.0.0.0"))
    assert who_may_call(build_authentication(outside), "127.0.0.1") is None
    key_for(tmp_path, "calls")
    assert who_may_call(build_authentication(guarded), "0.0.0.0") is None
    (tmp_path / "keys.json").write_text("{")
    with pytest.raises(CannotServe, match="not a key file"):
        checked_authentication(guarded, {}, insecure=True)


def test_no_key_or_token_reaches_the_log(tmp_path: Path) -> None:
    (tmp_path / "voice-host.toml").write_text(GUARDED)
    key, wrong = key_for(tmp_path, "calls", "tokens"), "vh_" + "a" * 12 + "_" + "b" * 43
    port = free_port()
    url = f"ws://127.0.0.1:{port}/agents/front-desk/session"
    with process("serve", "--port", str(port), "--agents", "front-desk", cwd=tmp_path) as host:
        host.until('"event": "serving"')
        token = token_from(port, key)
        for credential in (key, token, wrong):
            offered = [Subprotocol("voice-host.v1"), Subprotocol(f"voice-host.token.{credential}")]
            for call in (
                connect(f"{url}?token={credential}"),
                connect(url, subprotocols=offered),
                connect(url, additional_headers={"Authorization": f"Bearer {credential}"}),
            ):
                with call:
                    if credential != wrong:
                        assert json.loads(call.recv(10))["type"] == "ready"
                        continue
                    with pytest.raises(ConnectionClosed) as closed:
                        call.recv(10)
                    assert closed.value.rcvd is not None
                    assert closed.value.rcvd.code == 4401
        with pytest.raises(urllib.error.HTTPError) as unauthorised:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics?token={wrong}", timeout=10)
        unauthorised.value.close()

        done = CliRunner().invoke(app, ["call", "front-desk", "--text", "hello", "--url", url, "--token", key])
        assert done.exit_code == 0, done.output
        assert key not in done.output
        host.signal(signal.SIGTERM)
        assert host.ended() == 0
    assert "call_refused" in host.output
    for secret in (key, key.split("_", 2)[2], token, token.split(".")[2], wrong):
        assert secret not in host.output


def test_the_calls_of_a_revoked_key_end_where_that_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / "voice-host.toml").write_text(GUARDED)
    kept, leaked, retired = (key_for(tmp_path, "calls", "tokens", name=name) for name in ("kept", "leaked", "retired"))
    port = free_port()
    url = f"ws://127.0.0.1:{port}/agents/front-desk/session"
    with process("serve", "--port", str(port), "--agents", "front-desk", cwd=tmp_path) as host, ExitStack() as calls:
        host.until('"event": "serving"')
        credentials = {"kept": kept, "leaked": leaked, "retired": retired, "token": token_from(port, leaked)}
        connected = {
            who: calls.enter_context(connect(f"{url}?token={text}", max_queue=None))
            for who, text in credentials.items()
        }
        for call in connected.values():
            assert json.loads(call.recv(20))["type"] == "ready"
        file = KeyFile(tmp_path / "keys.json")
        file.revoke("retired")
        file.revoke("leaked", end_calls=True)
        for who in ("leaked", "token"):
            assert end_of(connected[who]) == (4401, "the key was revoked")
        for who in ("kept", "retired"):
            connected[who].ping().wait(20)
            connected[who].send(json.dumps({"type": "ping"}))
            while '"pong"' not in str(connected[who].recv(20)):
                pass
        host.until('"event": "calls_of_revoked_key_ended"')


def token_from(port: int, key: str) -> str:
    """Have the host make a call token."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/agents/front-desk/tokens", method="POST", headers={"Authorization": f"Bearer {key}"}
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        return str(json.load(answer)["token"])


def end_of(call: ClientConnection) -> tuple[int, str]:
    """Read a call to its end, and return the close code and the words."""
    try:
        for _ in range(10_000):
            call.recv(20)
    except ConnectionClosed as closed:
        return (closed.rcvd.code, closed.rcvd.reason) if closed.rcvd else (1006, "")
    raise AssertionError("the call goes on")
