"""What log lines hold, and what they do not: no words of callers, no secrets."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.agent.models import ScriptedModel
from voice_host.agent.callback_runner import CallbackRunner
from voice_host.agent.session import LiveSession
from voice_host.agent.voice_agent import VoiceAgent
from voice_host.logs import configure_logging
from voice_host.settings import known_secrets, load_settings
from voice_host.tracebacks import WITHHELD, without_messages
from voice_host.transcript_log import log_transcripts
from voice_host_sdk import AgentConfig, AgentReply, LifecycleCallbacks, ObservedSession, ProviderError, UserTurn

WORDS = "my number is 555-0199"


class Nobody:
    def tell(self, event: str, session: ObservedSession, *records: object) -> None: ...


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
    callbacks = CallbackRunner(LifecycleCallbacks(), LiveSession("s", "desk"), observers=Nobody(), timeout_s=5)
    callbacks.user_turn(UserTurn(WORDS))
    callbacks.agent_reply(AgentReply(1, WORDS, WORDS, interrupted=False))
    written = capsys.readouterr().err
    assert "tool_failed" in written
    assert (WORDS in written) is wanted
    assert ("caller_said" in written, "agent_said" in written) == (wanted, wanted)


@pytest.mark.parametrize("form", ["text", "json"])
def test_secrets_of_the_settings_are_taken_out_of_every_line(
    form: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "host.toml"
    file.write_text('[agent.desk.settings]\ncrm_token = "token-4711"\ncrm = { env = "CRM" }\n', encoding="utf-8")
    settings = load_settings(file, {"ASSEMBLYAI_API_KEY": "key-4711", "CRM": "crm-4711"})
    configure_logging(form, "info", messages=True, secrets=known_secrets(settings))
    plugin = logging.getLogger("an_agents_own")
    plugin.warning("logged in with token-4711 and %s", "crm-4711")
    try:
        raise RuntimeError("refused: key-4711")
    except RuntimeError:
        plugin.exception("failed")
    written = capsys.readouterr().err
    assert "4711" not in written
    assert "refused: ********" in written
    assert form == "text" or json.loads(written.splitlines()[0])["event"] == "logged in with ******** and ********"
