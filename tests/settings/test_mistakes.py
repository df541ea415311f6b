"""Mistakes are all reported at once, each with its source, what is wrong, and what is allowed."""

import pytest

from tests.settings.conftest import Load
from voice_host.settings import SettingsError


def problems(load: Load, text: str = "", **environ: str) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        load(text, **environ)
    return [str(problem) for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("server.port = 70000", "voice-host.toml: [server] port: must be a whole number from 0 to 65535, not 70000"),
        ("server.port = 'x'", "voice-host.toml: [server] port: must be a whole number from 0 to 65535, not 'x'"),
        ("server.log_format = 'xml'", "voice-host.toml: [server] log_format: must be one of text, json, not 'xml'"),
        ("server.host = ''", "voice-host.toml: [server] host: must be text of at least 1 character, not ''"),
        ("server.prt = 1", "voice-host.toml: [server] prt: there is no such key; did you mean 'port'?"),
        ("serv.port = 1", "voice-host.toml: serv: there is no such key; did you mean 'server'?"),
        ("agent.a.modl = 'x'", "voice-host.toml: [agent.a] modl: there is no such key; did you mean 'model'?"),
        ("limits.max_cals = 3", "voice-host.toml: [limits] max_cals: there is no such key; did you mean 'max_calls'?"),
        ("limits.max_calls = 0", "voice-host.toml: [limits] max_calls: must be a whole number at least 1, not 0"),
        (
            "resilience.microphone_buffer_s = 300",
            "voice-host.toml: [resilience] microphone_buffer_s: must be a number from 1 to 120, not 300",
        ),
        ("auth.key_file = 'x'", "voice-host.toml: [auth] key_file: there is no such key; did you mean 'keys_file'?"),
        ("auth.page = 'shut'", "voice-host.toml: [auth] page: must be one of open, off, not 'shut'"),
        (
            "sessions.resume_grace = 3",
            "voice-host.toml: [sessions] resume_grace: there is no such key; did you mean 'resume_grace_s'?",
        ),
        (
            "extensions.allowed = ['x']",
            "voice-host.toml: [extensions] allowed: there is no such key; did you mean 'allow'?",
        ),
        (
            "resilience.stt_replay = 1",
            "voice-host.toml: [resilience] stt_replay: there is no such key; did you mean 'stt_replay_s'?",
        ),
        (
            "[agents.front-desk]\nmodel = 'x'",
            "voice-host.toml: [agents] front-desk: there is no such key; did you mean [agent.front-desk]?",
        ),
        (
            "[extensions.acme]\nregion = 'x'",
            "voice-host.toml: [extensions] acme: there is no such key; did you mean [extension.acme]?",
        ),
        (
            "auth.token_secret = { env = 'NOPE' }",
            "voice-host.toml: [auth] token_secret: it is read from the variable NOPE, which is not set",
        ),
        ("server = 5", "voice-host.toml: server: must be a table, not 5"),
        ("agents.allow = [5]", "voice-host.toml: [agents] allow: must be text, not 5"),
        (
            "agent.front_desk.model = 'x'",
            "voice-host.toml: [agent] front_desk: 'front_desk' is not an agent id: lower-case letters, digits and "
            "hyphens, at most 63; did you mean 'front-desk'?",
        ),
    ],
)
def test_a_mistake_in_the_file(load: Load, text: str, problem: str) -> None:
    assert problems(load, text) == [problem]


@pytest.mark.parametrize(
    ("variable", "value", "problem"),
    [
        ("VOICE_HOST_SERVER__PORT", "-1", "must be a whole number from 0 to 65535, not '-1'"),
        ("VOICE_HOST_SERVR__PORT", "1", "there is no such variable; did you mean VOICE_HOST_SERVER__PORT?"),
        ("VOICE_HOST_PORT", "1", "there is no such variable; did you mean VOICE_HOST_SERVER__PORT?"),
        ("VOICE_HOST_LIMITS__MAX_CALS", "1", "there is no such variable; did you mean VOICE_HOST_LIMITS__MAX_CALLS?"),
        ("VOICE_HOST_AUTH__KEYFILE", "x", "there is no such variable; did you mean VOICE_HOST_AUTH__KEYS_FILE?"),
        (
            "VOICE_HOST_AGENTS__FRONT_DESK__MODEL",
            "x",
            "there is no such variable; did you mean VOICE_HOST_AGENT__FRONT_DESK__MODEL?",
        ),
        ("VOICE_HOST_LLM_KEY", "x", "there is no such variable; did you mean VOICE_HOST_LLM_API_KEY?"),
        (
            "VOICE_HOST_AGENT__A__MODL",
            "x",
            "there is no such variable; did you mean 'VOICE_HOST_AGENT__A__MODEL'?",
        ),
        ("VOICE_HOST_LLM_BASE_URL", "example.com", "must be an address starting with https:// or http://"),
        ("VOICE_HOST_LLM_BASE_URL", "http://[::1", "must name a host after the slashes, and have no spaces"),
        ("VOICE_HOST_LLM_BASE_URL", "http://:8000", "must name a host after the slashes, and have no spaces"),
        ("VOICE_HOST_LLM_BASE_URL", "http://host:port", "the port must be a number from 1 to 65535"),
        ("ASSEMBLYAI_TTS_WSS_URL", "wss://host:99999", "the port must be a number from 1 to 65535"),
        ("VOICE_HOST_SERVER__ALLOWED_ORIGINS", "https://a.example:0", "the port must be a number from 1 to 65535"),
        ("ASSEMBLYAI_TTS_WSS_URL", "https://pass@x", "must be an address starting with wss:// or ws://"),
    ],
)
def test_a_mistake_in_a_variable(load: Load, variable: str, value: str, problem: str) -> None:
    assert problems(load, **{variable: value}) == [f"{variable}: {problem}"]


def test_a_mistake_in_an_option_names_the_option(load: Load) -> None:
    with pytest.raises(SettingsError, match="--agents: 'No' is not an agent id"):
        load(options={"agents.allow": "No"})


def test_all_mistakes_are_reported_at_once(load: Load) -> None:
    found = problems(load, "server.port = -1\n[agent.a.settings]\nx = { env = 'NOPE' }", VOICE_HOST_TYPO="1")
    assert len(found) == 3


def test_a_secret_of_the_wrong_kind_is_not_repeated(load: Load) -> None:
    found = problems(load, "server.port = { env = 'SECRET' }", SECRET="hunter2")
    assert len(found) == 1
    assert "hunter2" not in found[0]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a = " + "[" * 3000 + "]" * 3000, "voice-host.toml: has tables and lists more than 32 deep within each other"),
        ("[" + ".".join("a" * 500) + "]", "voice-host.toml: has tables and lists more than 32 deep within each other"),
        ("server.port = " + "9" * 5000, "voice-host.toml: holds a number with too many digits"),
        (
            "server.port = 0x" + "f" * 5000,
            "voice-host.toml: [server] port: must be a whole number from 0 to 65535, not a number of that length",
        ),
        ("server.'[key]' = 1", "voice-host.toml: [server] [key]: there is no such key; known are "),
        ('agent.a.settings.x.file = "\\u0000"', "voice-host.toml: [agent.a.settings] x: it is read from a file"),
    ],
    ids=["brackets", "dots", "digits", "hexadecimal digits", "a key like pydantic's", "NUL"],
)
def test_what_python_itself_cannot_read_is_a_mistake_like_others(load: Load, text: str, problem: str) -> None:
    [found] = problems(load, text)
    assert found.startswith(problem)


@pytest.mark.parametrize(
    ("text", "environ", "problem"),
    [
        ("", {"VOICE_HOST_SERVER__HOST": "\udcff"}, "VOICE_HOST_SERVER__HOST: is not UTF-8 text"),
        ("", {"VOICE_HOST_\udcff": "1"}, "VOICE_HOST_\\udcff: is not UTF-8 text"),
        ("", {"VOICE_HOST_LLM_API_KEY": "\udcff"}, "VOICE_HOST_LLM_API_KEY: is not UTF-8 text"),
        (
            "server.host = { env = 'X' }",
            {"X": "\udcff"},
            "voice-host.toml: [server] host: it is read from the variable X, which is not UTF-8 text",
        ),
    ],
)
def test_variables_that_are_no_text(load: Load, text: str, environ: dict[str, str], problem: str) -> None:
    assert problem in problems(load, text, **environ)


@pytest.mark.parametrize(
    "text",
    [
        "[agent.a.settings]\napi_key = 5",
        "server.allowed_origins = [{ env = 'S' }]",
        "server.allowed_origins = { env = 'S' }",
        "agents.allow = { env = 'S' }",
        "server.log_format = { env = 'S' }",
    ],
)
def test_what_is_kept_elsewhere_is_not_repeated(load: Load, text: str) -> None:
    found = problems(load, text, S="Hunter2 Hunter3", VOICE_HOST_AGENT__A__SETTINGS__API_KEY="Hunter2")
    assert found
    assert "hunter" not in str(found).lower()
