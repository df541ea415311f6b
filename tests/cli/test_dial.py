"""`voice-host dial`, against a host that answers from a script."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Run
from tests.ports import free_port
from tests.terminal import terminal

RINGING: dict[str, Any] = {
    "id": "s1",
    "agent": "front-desk",
    "target": None,
    "carrier": "twilio",
    "to": "+493012345678",
    "from": "+15550100",
    "status": "ringing",
    "outcome": None,
    "reason": None,
    "answered_by": None,
    "created": "2026-01-02T03:04:05Z",
    "answered": None,
    "ended": None,
    "duration_s": None,
}
ANSWERED = RINGING | {"status": "streaming", "answered": "2026-01-02T03:04:10Z"}
OVER = ANSWERED | {"status": "over", "outcome": "completed", "ended": "2026-01-02T03:04:52Z", "duration_s": 42.1}


class Script:
    """A host: what it was asked, and what it answers, one after the other; the last answer is given again and again."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, str, Any]] = []
        self.keys: list[str | None] = []
        self.answers: list[tuple[int, Any]] = []
        self.url = ""

    def says(self, *bodies: Any) -> None:
        self.answers = [(201, bodies[0]), *((200, body) for body in bodies[1:])]

    def refuses(self, status: int, detail: str, hint: str | None = None) -> None:
        self.answers = [(status, {"detail": detail, "hint": hint})]

    def answer(self, method: str, path: str, body: bytes) -> tuple[int, Any]:
        self.requests.append((method, path, json.loads(body) if body else None))
        if method == "DELETE":
            return 204, None
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Iterator[Script]:
    monkeypatch.setattr("voice_host.cli.dial.POLL_S", 0.01)
    script = Script()

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            script.keys.append(self.headers.get("idempotency-key"))
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            status, told = script.answer(self.command, self.path, body)
            data = b"" if told is None else json.dumps(told).encode()
            self.send_response(status)
            self.send_header("content-length", str(len(data)))
            self.send_header("connection", "close")
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_DELETE = _answer

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        script.url = f"http://127.0.0.1:{server.server_port}"
        try:
            yield script
        finally:
            server.shutdown()
            thread.join()


def test_a_call_is_shown_as_it_goes_on(run: Run, host: Script) -> None:
    judged = ANSWERED | {"answered_by": "human"}
    host.says(RINGING, RINGING, ANSWERED, judged, judged, OVER | {"answered_by": "human"})
    shown = run("dial", "front-desk", "+49 (0)30 1234-5678", "--url", host.url)
    assert shown.exit_code == 0, shown.output
    assert shown.stdout.splitlines() == [
        "Calling +493012345678 from +15550100 (Ctrl-C hangs up)",
        "ringing",
        "answered",
        "a person answered",
        "over after 42 s",
    ]
    assert host.requests[0] == (
        "POST",
        "/agents/front-desk/calls",
        {"to": "+493012345678", "metadata": {}, "machine_detection": "off"},
    )
    assert {request[:2] for request in host.requests[1:]} == {("GET", "/agents/front-desk/calls/s1")}
    assert host.keys[0]


def test_what_is_asked_for(run: Run, host: Script) -> None:
    host.says(RINGING)
    options = ["--metadata", "order=1042", "--metadata", "note=a=b", "--machine-detection", "message-end"]
    options += ["--from", "+1 555 0100", "--ring-s", "20", "--max-call-s", "60", "--no-wait"]
    shown = run("dial", "front-desk@staging", "+493012345678", *options, "--url", host.url)
    assert shown.exit_code == 0, shown.output
    assert shown.stdout == "Calling +493012345678 from +15550100: call s1\n"
    assert host.requests == [
        (
            "POST",
            "/agents/front-desk@staging/calls",
            {
                "to": "+493012345678",
                "from": "+15550100",
                "metadata": {"order": "1042", "note": "a=b"},
                "machine_detection": "message_end",
                "ring_s": 20,
                "max_call_s": 60,
            },
        )
    ]


@pytest.mark.parametrize(
    ("outcome", "reason", "last"),
    [
        ("busy", None, "busy"),
        ("no-answer", None, "no answer"),
        ("cancelled", None, "hung up before anybody answered"),
        ("failed", "the number does not exist", "failed: the number does not exist"),
    ],
)
def test_a_call_that_nobody_answered(run: Run, host: Script, outcome: str, reason: str | None, last: str) -> None:
    over = RINGING | {"status": "over", "outcome": outcome, "reason": reason}
    host.says(RINGING, over)
    shown = run("dial", "front-desk", "+493012345678", "--url", host.url)
    assert shown.exit_code == 1
    assert shown.stdout.splitlines()[1:] == ["ringing", last]


def test_a_call_that_was_over_at_once_was_answered_all_the_same(run: Run, host: Script) -> None:
    host.says(RINGING, OVER | {"answered_by": "machine", "reason": "the time limit of the call"})
    shown = run("dial", "front-desk", "+493012345678", "--url", host.url)
    assert shown.exit_code == 0
    assert shown.stdout.splitlines()[2:] == [
        "answered",
        "an answering machine answered",
        "over after 42 s: the time limit of the call",
    ]


@pytest.mark.parametrize("wait", [True, False])
def test_json(run: Run, host: Script, wait: bool) -> None:
    host.says(RINGING, ANSWERED, OVER)
    shown = run("dial", "front-desk", "+493012345678", "--json", *([] if wait else ["--no-wait"]), "--url", host.url)
    assert shown.exit_code == 0
    assert json.loads(shown.stdout) == (OVER if wait else RINGING)


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["front-desk", "030 1234567"], "'030 1234567' is not a telephone number with its country"),
        (["front-desk", "0049301234567"], "write + and the country code"),
        (["front-desk", "+493012345678", "--from", "reception"], "'reception' is not a telephone number"),
        (["front-desk", "+493012345678", "--metadata", "order"], "write --metadata name=value"),
    ],
)
def test_mistakes_are_found_before_the_host_is_asked(run: Run, host: Script, arguments: list[str], error: str) -> None:
    shown = run("dial", *arguments, "--url", host.url)
    assert shown.exit_code == 2
    assert error in shown.stderr
    assert host.requests == []


@pytest.mark.parametrize(
    ("status", "code"), [(404, 2), (409, 1), (422, 1), (429, 1), (502, 1)], ids=lambda value: str(value)
)
def test_what_the_host_refuses(run: Run, host: Script, status: int, code: int) -> None:
    host.refuses(status, "this host makes no calls", "set phone.outbound.allow")
    shown = run("dial", "front-desk", "+493012345678", "--url", host.url)
    assert shown.exit_code == code
    assert shown.stderr.splitlines()[-2:] == [
        "error: this host makes no calls",
        "  next: set phone.outbound.allow",
    ]
    assert shown.stdout == ""


def test_a_host_that_was_restarted(run: Run, host: Script) -> None:
    host.says(RINGING)
    host.answers.append((404, {"detail": "there is no such call"}))
    shown = run("dial", "front-desk", "+493012345678", "--url", host.url)
    assert shown.exit_code == 1
    assert "does not know the call any more" in shown.stderr


def test_ctrl_c_hangs_up(host: Script, tmp_path: Path) -> None:
    host.says(RINGING)
    with terminal("dial", "front-desk", "+493012345678", "--url", host.url, cwd=tmp_path) as dialling:
        dialling.until("ringing ...")
        dialling.press_ctrl_c()
        assert dialling.ended() == 130
    assert "Hung up" in dialling.output
    assert host.requests[-1] == ("DELETE", "/agents/front-desk/calls/s1", None)


def test_no_host(run: Run) -> None:
    shown = run("dial", "front-desk", "+493012345678", "--url", f"http://127.0.0.1:{free_port()}")
    assert shown.exit_code == 1
    assert "no host is running" in shown.stderr
