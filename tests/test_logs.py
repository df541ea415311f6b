"""What log lines hold, and what they do not: no words of callers, no secrets."""

from __future__ import annotations

import io
import json
import logging
import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable
from html import escape
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote

import pytest

from tests.conversation.models import ScriptedModel
from voice_host.conversation.voice_agent import VoiceAgent
from voice_host.observability import log_handler
from voice_host.observability.log_handler import REPEATS
from voice_host.observability.logs import allow_loggers, configure_logging, get_logger, relay
from voice_host.observability.printable import MAX_CHARS
from voice_host.observability.tracebacks import WITHHELD, without_messages
from voice_host.observability.transcript_log import log_reply, log_transcripts, log_turn
from voice_host.sessions.live_session import LiveSession
from voice_host.settings import known_secrets, load_settings
from voice_host.settings.secrets import REDACTED, Redactor
from voice_host_sdk import AgentConfig, AgentReply, ProviderError, UserTurn

WORDS = "my number is 555-0199"


def written_log(capsys: pytest.CaptureFixture[str]) -> str:
    """What has been logged so far. A thread writes it."""
    for handler in logging.getLogger().handlers:
        handler.flush()
    return capsys.readouterr().err


def trace(error: Callable[[], Any]) -> str:
    try:
        error()
    except (ValueError, NameError, ExceptionGroup) as raised:
        return without_messages((type(raised), raised, raised.__traceback__))
    raise AssertionError


def chained() -> None:
    try:
        raise KeyError(WORDS)
    except KeyError as error:
        raise ValueError(WORDS) from error


def grouped() -> None:
    error = RuntimeError(WORDS)
    error.add_note(WORDS)
    raise ExceptionGroup(WORDS, [error, ProviderError("No voice.", code="tts_failed")])


@pytest.mark.parametrize("raising", [chained, grouped])
def test_a_stack_trace_names_places_and_types_without_what_was_said(raising: Callable[[], None]) -> None:
    text = trace(raising)
    assert WORDS not in text
    assert WITHHELD in text
    assert "test_logs.py" in text


def test_the_hosts_own_words_and_the_interpreters_are_shown() -> None:
    assert "voice_host_sdk.providers.ProviderError: No voice." in trace(grouped)
    assert "NameError: name 'nonsense' is not defined" in trace(lambda: eval("nonsense"))
    assert "direct cause" in trace(chained)


@pytest.mark.parametrize(("wanted", "form"), [(False, "text"), (False, "json"), (True, "text"), (True, "json")])
async def test_what_is_said_is_logged_only_where_it_is_wanted(
    wanted: bool, form: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    configure_logging(form, "debug", messages=wanted)
    log_transcripts(wanted)

    def fail(words: str) -> str:
        """Fail."""
        raise ValueError(words)

    agent = VoiceAgent(runtime=ScriptedModel(("fail", {"words": WORDS}), "Oh.").runtime(AgentConfig(tools=(fail,))))
    await agent.chat(WORDS)
    await agent.aclose()
    log_turn(LiveSession("s", "desk"), UserTurn(WORDS))
    log_reply(LiveSession("s", "desk"), AgentReply(1, WORDS, WORDS, interrupted=False))
    written = written_log(capsys)
    assert "tool_failed" in written
    assert (WORDS in written) is wanted
    assert ("caller_said" in written, "agent_said" in written) == (wanted, wanted)


@pytest.mark.parametrize("form", ["text", "json"])
def test_secrets_of_the_settings_are_taken_out_of_every_line(
    form: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "host.toml"
    file.write_text('[agent.desk.settings]\ncrm_token = "token-4711x"\ncrm = { env = "CRM" }\n', encoding="utf-8")
    settings = load_settings(file, {"ASSEMBLYAI_API_KEY": "key-4711x", "CRM": "crm-4711x"})
    configure_logging(form, "info", messages=True, secrets=known_secrets(settings))
    plugin = logging.getLogger("an_agents_own")
    plugin.warning("logged in with token-4711x and %s", "crm-4711x")
    try:
        raise RuntimeError("refused: key-4711x")
    except RuntimeError:
        plugin.exception("failed")
    written = written_log(capsys)
    assert "4711x" not in written
    assert "refused: ********" in written
    assert form == "text" or json.loads(written.splitlines()[0])["event"] == "logged in with ******** and ********"


HOSTILE = "\x1b[2J\x9b31m\u202egnp.exe\u2028level=error\x07\r\ud800"


@pytest.mark.parametrize("form", ["text", "json"])
def test_what_strangers_write_cannot_drive_a_terminal_or_forge_a_line(
    form: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    configure_logging(form, "info", messages=True)
    log = get_logger("voice_host.test")
    log.warning(HOSTILE, path=HOSTILE, nested={HOSTILE: [HOSTILE]}, object=ImportError(HOSTILE))
    try:
        raise ImportError(HOSTILE)
    except ImportError:
        log.warning("failed", exc_info=True)
    logging.getLogger("somebody.else").warning("%s", HOSTILE)
    written = written_log(capsys)
    hidden = {character for character in written if character != "\n" and not character.isprintable()}
    assert hidden == set()
    assert "gnp.exe" in written


@pytest.mark.parametrize("form", ["text", "json"])
def test_fields_are_capped(form: Any, capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(form, "info")
    get_logger("voice_host.test").warning("request_refused", path="a" * 1_000_000)
    assert len(written_log(capsys)) < 2 * MAX_CHARS


@pytest.mark.parametrize("form", ["text", "json"])
@pytest.mark.parametrize(
    "secret",
    [
        'quo"ted',
        "quo'ted",
        "back\\slash",
        "first line of a key\nsecond line of a key",
        "ümläut",
        "per%cent&amp",
        "sp ace/slash",
    ],
)
def test_secrets_are_found_however_they_are_escaped(form: Any, secret: str, capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(form, "info", messages=True, secrets=[secret])
    log = get_logger("voice_host.test")
    log.warning(f"event {secret}", field=secret, nested={"a": [secret]}, object=SimpleNamespace(key=secret))
    log.warning(
        "quoted", repr=repr({"key": secret}), json=json.dumps({"key": secret}), url=f"wss://x/?key={quote(secret)}"
    )
    logging.getLogger("other").warning("key %s of %r", secret, [secret])
    try:
        raise ValueError(repr([secret]))
    except ValueError:
        log.warning("failed", exc_info=True)
    written = written_log(capsys)
    for form_of_it in (secret, *secret.split("\n"), repr(secret)[1:-1], json.dumps(secret)[1:-1], quote(secret)):
        assert form_of_it not in written
    assert written.count("********") >= 10


NESTED: dict[str, Callable[[str], str]] = {
    "beside other quotes": lambda secret: repr(f'it\'s "{secret}"'),
    "json in a repr": lambda secret: repr(json.dumps({"a": secret})),
    "json in json": lambda secret: json.dumps(json.dumps({"a": secret})),
    "repr of a repr": lambda secret: repr(repr(secret)),
    "bytes": lambda secret: repr(secret.encode()),
    "html": escape,
    "lower case hex": lambda secret: re.sub("%..", lambda found: found[0].lower(), quote(secret, safe="")),
}


@pytest.mark.parametrize("wrap", NESTED.values(), ids=NESTED)
def test_secrets_are_found_when_they_are_escaped_twice(wrap: Callable[[str], str]) -> None:
    secrets = ["it's-a-key", "schlüssel/geheim", 'a"b\\c\nd-e&f', "pa ss+w/ord="]
    found = [REDACTED in Redactor([secret]).text(wrap(secret)) for secret in secrets]
    assert found == [True] * len(secrets)


def test_only_the_hosts_and_the_agents_loggers_write_below_warnings(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("text", "info")
    allow_loggers(["front_desk.agent"])
    chatty = logging.getLogger("httpx2.whatever")
    chatty.setLevel(logging.DEBUG)
    for name in ("voice_host.test", "voice_host_sdk.test", "front_desk.tools", "httpx2.whatever", "front_desk_2"):
        logging.getLogger(name).info("info of %s", name)
        logging.getLogger(name).debug("debug of %s", name)
        logging.getLogger(name).warning("warning of %s", name)
    chatty.setLevel(logging.NOTSET)
    logging.getLogger("front_desk").setLevel(logging.NOTSET)
    written = written_log(capsys)
    assert re.findall(r"info of (\S+)", written) == ["voice_host.test", "voice_host_sdk.test", "front_desk.tools"]
    assert re.findall(r"debug of (\S+)", written) == ["httpx2.whatever"] * 0
    assert len(re.findall(r"warning of", written)) == 5


def test_the_same_line_again_and_again_is_counted(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("json", "info")
    log = get_logger("voice_host.test")
    for number in range(1000):
        log.warning("skipped", code=7)
        log.warning("other", number=number % 100 if number < 100 else 0)
    [handler] = logging.getLogger().handlers
    handler.close()
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [line["event"] for line in lines].count("skipped") == REPEATS
    assert {line["number"] for line in lines if line["event"] == "other"} == set(range(100))
    repeated = {line["repeated"]: line["times"] for line in lines if line["event"] == "log_line_repeated"}
    assert repeated == {"skipped": 1000 - REPEATS, "other": 901 - REPEATS}


def test_failures_of_different_kinds_are_not_taken_for_one(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("json", "info")
    log = get_logger("voice_host.test")
    for _ in range(REPEATS + 1):
        log.error("failed", exc_info=ValueError("one"))
    log.error("failed", exc_info=KeyError("another"))
    lines = [json.loads(line) for line in written_log(capsys).splitlines()]
    assert ["KeyError" in line["exception"] for line in lines] == [False] * REPEATS + [True]


def test_a_line_that_cannot_be_formatted_says_where_and_not_what(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("json", "info", secrets=["s3cret"])
    logging.getLogger("library").warning("%d \x1b[31m", "s3cret")
    [line] = map(json.loads, written_log(capsys).splitlines())
    assert (line["event"], line["by"], line["error"]) == ("log_line_unreadable", "library", "TypeError")
    assert "test_logs.py:" in line["where"]


class Painted:
    def __repr__(self) -> str:
        return "\x1b[31mred"


@pytest.mark.parametrize("form", ["text", "json"])
def test_any_object_and_long_lists_are_made_safe(form: Any, capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(form, "info")
    get_logger("voice_host.test").info("told", one=Painted(), several=(Painted(), "\x1b"), many=["x" * 1000] * 1000)
    written = written_log(capsys)
    assert "\x1b" not in written
    assert "red" in written
    assert "900 more" in written


class Stalled(io.StringIO):
    """A stream whose reader pauses: writing waits until it goes on."""

    def __init__(self) -> None:
        super().__init__()
        self.goes_on = threading.Event()

    def write(self, text: str) -> int:
        self.goes_on.wait()
        return super().write(text)


def test_lines_of_one_agents_workers_take_no_place_of_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_handler, "MAX_QUEUED_CHARS_OF_AGENT", 20_000)
    stream = Stalled()
    monkeypatch.setattr(sys, "stderr", stream)
    configure_logging("json", "info")
    for number in range(1000):
        line = {"event": "line", "level": "info", "timestamp": "", "agent_id": "desk", "padding": "x" * 200}
        relay(line | {"number": number})
        if number % 100 == 0:
            relay(line | {"agent_id": "shop", "number": number})
    stream.goes_on.set()
    [handler] = logging.getLogger().handlers
    handler.close()
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    of_desk = [line["number"] for line in lines if line.get("agent_id") == "desk"]
    assert of_desk == sorted(of_desk)
    assert 20 < len(of_desk) < 400
    assert [line["number"] for line in lines if line.get("agent_id") == "shop"] == list(range(0, 1000, 100))
    assert sum(line["lines"] for line in lines if line["event"] == "log_lines_dropped") == 1000 - len(of_desk)


LAST_WORDS = """
import os, sys
from voice_host.observability.logs import configure_logging, get_logger
configure_logging("json", "info", at_once=True)
log = get_logger("voice_host.test")
for number in range(int(sys.argv[1])):
    log.warning("line", number=number, padding="x" * 1000)
os._exit(0)
"""


@pytest.mark.skipif(os.name == "nt", reason="pipes of POSIX")
def test_what_is_logged_to_a_pipe_with_room_is_there_if_the_process_exits_the_next_moment() -> None:
    done = subprocess.run([sys.executable, "-c", LAST_WORDS, "20"], stderr=subprocess.PIPE, check=True)
    assert [json.loads(line)["number"] for line in done.stderr.splitlines()] == list(range(20))


@pytest.mark.skipif(os.name == "nt", reason="pipes of POSIX")
def test_a_pipe_without_room_stops_nobody() -> None:
    with subprocess.Popen([sys.executable, "-c", LAST_WORDS, "2000"], stderr=subprocess.PIPE) as process:
        assert process.wait(60) == 0  # though nobody has read
        assert process.stderr is not None
        numbers = [json.loads(line)["number"] for line in process.stderr.read().splitlines() if line.endswith(b"}")]
    assert numbers == list(range(len(numbers)))
    assert len(numbers) > 20


def test_a_reader_that_pauses_stops_nobody_and_learns_what_was_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_handler, "MAX_QUEUED_CHARS", 50_000)
    stream = Stalled()
    monkeypatch.setattr(sys, "stderr", stream)
    configure_logging("json", "info")
    log = get_logger("voice_host.test")
    for number in range(1000):
        log.warning("line", number=number, padding="x" * 200)  # would wait for ever
    stream.goes_on.set()
    [handler] = logging.getLogger().handlers
    handler.flush()
    log.warning("last")
    handler.close()
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    numbers = [line["number"] for line in lines if line["event"] == "line"]
    assert numbers == sorted(numbers)
    [dropped] = [line["lines"] for line in lines if line["event"] == "log_lines_dropped"]
    assert len(numbers) + dropped == 1000
    assert 100 < len(numbers) < 600
    assert lines[-1]["event"] == "last"
