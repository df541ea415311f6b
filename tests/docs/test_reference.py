"""All that a reader may touch has its entry in the reference: what is missing there, or no longer true, fails here."""

import dataclasses
import inspect
import itertools
import json
import re
from collections.abc import Callable
from typing import Any, get_args

import pytest
import typer
from prometheus_client import Counter
from prometheus_client.metrics import MetricWrapperBase
from pydantic import BaseModel

import voice_host_sdk
import voice_host_sdk.extensions
from tests.docs.markdown import ROOT, entries, read, rows, section
from voice_host import VoiceAgentManager, VoiceSessionHandler, create_voice_app
from voice_host.call.events import CallEvent
from voice_host.call.latency import STAGES
from voice_host.cli.commands import app
from voice_host.clients import voice_host_v1
from voice_host.clients.close_codes import CloseCode
from voice_host.clients.protocol import Answer
from voice_host.front.exposition import release_metrics
from voice_host.observability import metrics
from voice_host.plugins import Phase
from voice_host.plugins.kinds import AGENT
from voice_host.settings.agent import AgentSettings
from voice_host.settings.model import Tables
from voice_host.settings.variables import NAMED, leaf_paths, service_variables, variable_name
from voice_host_sdk import AgentConfig, LifecycleCallbacks, STTConfig, TTSConfig, TurnConfig
from voice_host_sdk.agent_config import SilenceConfig
from voice_host_sdk.session import EndReason

HOOKS, CALLBACKS = "docs/reference/hooks.md", "docs/reference/callbacks.md"
CONFIGURATION, PROTOCOL = "docs/reference/configuration.md", "docs/reference/call-protocol.md"
EXTENSIONS = "docs/reference/extensions.md"
EMBEDDING = "docs/how-to/embed-in-your-own-server.md"
CLI, PROVIDERS, ERRORS = "docs/reference/cli.md", "docs/reference/providers.md", "docs/reference/errors.md"


def bare(names: set[str]) -> set[str]:
    """Return names without the signatures that follow them."""
    return {name.partition("(")[0] for name in names}


def arguments(function: Callable[..., object]) -> set[str]:
    """Return the names of a function's parameters."""
    return set(inspect.signature(function).parameters)


# --- what agents are written against ------------------------------------------------------------------------------


def test_hooks_and_phases() -> None:
    assert set(AGENT.hooks) <= entries(read(HOOKS))
    assert entries(section(HOOKS, "The phases of a plugin")) == {str(phase) for phase in Phase}


def test_callbacks() -> None:
    known = {name for name in vars(LifecycleCallbacks) if name.startswith("on_")}
    assert bare(entries(section(CALLBACKS, "Methods"))) == known
    assert entries(section(CALLBACKS, "Why a session ended")) == set(get_args(EndReason))


@pytest.mark.parametrize("record", ["Caller", "UserTurn", "AgentReply", "ToolCall", "SessionError", "SessionEnd"])
def test_records(record: str) -> None:
    fields = {field.name for field in dataclasses.fields(getattr(voice_host_sdk, record))}
    assert entries(section(CALLBACKS, f"`{record}`")) == fields


def test_the_session() -> None:
    attributes = re.findall(r"self\.([a-z]\w*)\b", inspect.getsource(voice_host_sdk.Session.__init__))
    methods = {name for name in vars(voice_host_sdk.Session) if not name.startswith("_")}
    assert bare(entries(section(CALLBACKS, "`Session`"))) == {*attributes, *methods}


@pytest.mark.parametrize(
    "protocol", ["SpeechToText", "SpeechToTextStream", "TextToSpeech", "TextToSpeechStream", "Utterance"]
)
def test_provider_protocols(protocol: str) -> None:
    members = {name for name in vars(getattr(voice_host_sdk, protocol)) if not name.startswith("_")}
    iterable = {"__aiter__"} & set(vars(getattr(voice_host_sdk, protocol)))
    documented = bare(entries(section(PROVIDERS, f"`{protocol}`")))
    assert members | iterable <= documented


def test_extensions() -> None:
    marker = f"{voice_host_sdk.EXTENSIONS_PROJECT_NAME}_spec"
    hooks = {name for name, value in vars(voice_host_sdk.extensions).items() if hasattr(value, marker)}
    assert hooks
    assert bare(entries(section(EXTENSIONS, "Hooks"))) == hooks
    observed = {name for name in vars(voice_host_sdk.SessionObserver) if name.startswith("on_")}
    assert bare(entries(section(EXTENSIONS, "`SessionObserver`"))) == observed
    for record in ("Connection", "Denied", "ObservedSession"):
        fields = {field.name for field in dataclasses.fields(getattr(voice_host_sdk, record))}
        assert entries(section(EXTENSIONS, f"`{record}`")) == fields


@pytest.mark.parametrize("config", [AgentConfig, TurnConfig, SilenceConfig, TTSConfig, STTConfig])
def test_configuration_fields_and_their_defaults(config: type[BaseModel]) -> None:
    _, *table = rows(section(CONFIGURATION, f"`{config.__name__}`"))
    documented = {row[0].strip("`"): row[1] for row in table}
    assert documented.keys() == config.model_fields.keys()
    for name, field in config.model_fields.items():
        if documented[name].startswith("`"):  # anything else is a description of a long one
            assert documented[name] == f"`{_shown(field.default)}`", name


def _shown(default: Any) -> str:
    return f"{type(default).__name__}()" if isinstance(default, BaseModel) else json.dumps(default)


# --- what platforms touch -----------------------------------------------------------------------------------------


def test_settings_and_their_variables() -> None:
    _, *table = rows(section(CONFIGURATION, "The host"))
    documented = {row[0].strip("`"): row[1].strip("`") for row in table}
    expected = {".".join(path): variable_name(path) for path in leaf_paths(Tables) if path[0] not in NAMED}
    assert {key: name for key, name in documented.items() if not key.startswith(("agent.", "extension."))} == expected
    assert {key for key in documented if key.startswith("agent.")} == {
        f"agent.<id>.{k}" for k in AgentSettings.model_fields
    }
    assert {key for key in documented if key.startswith("extension.")} == {"extension.<name>.<key>"}
    assert entries(section(CONFIGURATION, "Service variables")) == set(service_variables())


def test_the_command_line() -> None:
    command = typer.main.get_command(app)
    verbs: dict[str, Any] = command.commands  # type: ignore[attr-defined]
    assert {f"voice-host {verb}" for verb in verbs} == entries(read(CLI)) & {
        name for name in entries(read(CLI)) if re.fullmatch(r"voice-host [a-z]+", name)
    }
    for name, verb in verbs.items():
        within = {f"{name} {inner}": command for inner, command in getattr(verb, "commands", {}).items()}
        for called, one in (within or {name: verb}).items():
            options = {_spelling(parameter) for parameter in one.params}
            assert options == entries(section(CLI, f"`voice-host {called}`")), called
    assert {_spelling(parameter) for parameter in command.params} <= entries(read(CLI))


def _spelling(parameter: Any) -> str:
    return str(parameter.opts[0] if parameter.opts[0].startswith("-") else parameter.metavar)


def test_metrics() -> None:
    exposed = {
        next(iter(metric.describe())).name + ("_total" if isinstance(metric, Counter) else "")
        for metric in vars(metrics).values()
        if isinstance(metric, MetricWrapperBase)
    } | set(release_metrics())
    assert entries(section("docs/operating.md", "Metrics")) == exposed


# --- what clients touch -------------------------------------------------------------------------------------------


def documented_messages(heading: str) -> dict[str, dict[str, Any]]:
    """Return the JSON messages of a table by their type."""
    cells = (row[0].strip("`") for row in rows(section(PROTOCOL, heading)))
    found = [json.loads(cell) for cell in cells if cell.startswith("{")]
    assert len(found) == len({message["type"] for message in found})
    return {message["type"]: message for message in found}


def test_what_the_client_sends() -> None:
    documented = documented_messages("The client sends")
    models: tuple[type[BaseModel], ...] = get_args(voice_host_v1.ClientMessage)
    fields = {get_args(model.model_fields["type"].annotation)[0]: model.model_fields.keys() for model in models}
    assert {kind: message.keys() for kind, message in documented.items()} == fields
    assert all(voice_host_v1.parse(json.dumps(message)) for message in documented.values())


STRUCTURED: dict[str, Any] = {"arguments": {}, "stages_ms": {}, "steps": (), "late": False}


def test_what_the_server_sends() -> None:
    (answer,) = voice_host_v1.VoiceHostV1().receive('{"type": "ping"}')
    assert isinstance(answer, Answer)
    sent = {"pong": json.loads(str(answer.frames[0])).keys()}
    for event, greeting in itertools.product(get_args(CallEvent), (False, True)):
        values = {field.name: STRUCTURED.get(field.name, "anything") for field in dataclasses.fields(event)}
        message = voice_host_v1.message_of(event(**values | ({"greeting": greeting} if "greeting" in values else {})))
        if message is not None:
            sent[message["type"]] = message.keys()
    assert {kind: message.keys() for kind, message in documented_messages("The server sends").items()} == sent
    assert set(STAGES) <= entries(section(PROTOCOL, "The server sends"))


def test_close_codes() -> None:
    _, *table = rows(section(PROTOCOL, "Close codes"))
    assert {row[0].strip("`"): row[1].strip("`") for row in table} == {str(code.value): code.name for code in CloseCode}


def test_error_codes() -> None:
    spoken_of = re.compile(
        r"""\bcode="(\w+)"|\breport\("(\w+)"|\bProblem\("(\w+)"|_say_instead\([^"]*"(\w+)"|require_extra\("(\w+)\""""
        r"""|"((?:model|stt|tts)_\w+)": "[A-Z]"""  # the tables of codes and their words
    )
    sources = (path.read_text(encoding="utf-8") for path in (ROOT / "host/src/voice_host").rglob("*.py"))
    used = {next(filter(None, found)) for source in sources for found in spoken_of.findall(source)}
    assert {"bad_message", "internal", "draining", "model_auth", "stt_auth", "tts_auth"} <= used
    assert entries(read(ERRORS)) == used


# --- what servers of one's own are written against ------------------------------------------------------------------

OVERRIDABLE = {
    "handle", "_client_loop", "_stt_listener", "_connect_stt", "_handle_turn", "_tts_relay", "_cancel_inflight",
}  # fmt: skip


def test_embedding() -> None:
    assert entries(section(EMBEDDING, "One agent as an application")) == arguments(create_voice_app)
    assert arguments(VoiceAgentManager) <= entries(section(EMBEDDING, "`VoiceAgentManager`"))
    described = section(EMBEDDING, "`VoiceSessionHandler`")
    assert bare(entries(described)) == arguments(VoiceSessionHandler) | OVERRIDABLE
    for name in OVERRIDABLE:
        taken = arguments(getattr(VoiceSessionHandler, name)) - {"self", "metadata", "caller"}
        assert taken <= set(re.findall(r"\w+", described)), name
