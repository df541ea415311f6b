"""Whatever the file and the variables hold: settings, or an error that names what to put right, and no secret."""

from __future__ import annotations

import json
import string
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.fuzz.profile import inputs
from tests.fuzz.toml import SECRET, SECRET_FILE, SECRET_VARIABLE, files, keys_of, names, texts, written
from voice_host.settings import Entry, SettingsError, list_settings, load_settings
from voice_host.settings.agent import AgentSettings
from voice_host.settings.model import Tables
from voice_host.settings.provenance import free_keys
from voice_host.settings.secrets import looks_secret
from voice_host.settings.variables import leaf_paths, service_variables, variable_name

FIXED = [variable_name(path) for path in leaf_paths(Tables) if path[0] not in ("agent", "extension")]
AGENT_KEYS = [*(key.upper() for key in keys_of(AgentSettings)), "SETTINGS__KEY", "SETTINGS____", "", "X"]
variables = st.one_of(
    st.sampled_from(FIXED),
    st.sampled_from(service_variables()),
    st.builds(lambda name, key: f"VOICE_HOST_AGENT__{name.upper()}__{key}", names, st.sampled_from(AGENT_KEYS)),
    st.builds(lambda name, key: f"VOICE_HOST_EXTENSION__{name.upper()}__{key}", names, names),
    st.builds("VOICE_HOST_{}".format, st.text(max_size=8)),
)
# What is no UTF-8 in an environment comes out of `os.environ` as lone surrogates.
spelled = st.one_of(texts, st.text(st.characters(min_codepoint=0xDC80, max_codepoint=0xDCFF), max_size=3))
SECRETS = {
    "VOICE_HOST_AUTH__TOKEN_SECRET": SECRET,
    "VOICE_HOST_AGENT__A__SETTINGS__API_KEY": SECRET,
    "VOICE_HOST_EXTENSION__A__TOKEN": SECRET,
    "VOICE_HOST_LLM_API_KEY": SECRET,
    "VOICE_HOST_LLM_BASE_URL": f"ftp://user:{SECRET}@host",
    "ASSEMBLYAI_TTS_WSS_URL": f"wss://user:{SECRET}@host?token={SECRET}",
}
environments = st.builds(
    lambda own, names: own | {name: SECRETS[name] for name in names},
    st.dictionaries(variables, spelled, max_size=4),
    st.sets(st.sampled_from(sorted(SECRETS)), max_size=2),
)


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / SECRET_FILE).write_text(SECRET)
    return tmp_path / "voice-host.toml"


def load(file: Path, environ: Mapping[str, str]) -> None:
    """Load settings, and look at what comes of it."""
    planted = {SECRET_VARIABLE: SECRET, **environ}
    sources = [str(file), *(name.encode(errors="backslashreplace").decode() for name in environ)]
    try:
        settings = load_settings(file, planted)
    except SettingsError as error:
        problems, words = error.problems, str(error)
    else:
        # Whoever has the name of a model read from elsewhere may see it: not so with what a plugin gets, and secrets.
        words = json.dumps([[e.key, e.value, str(e.came_from)] for e in list_settings(settings) if not _plain(e)])
        problems = ()
    assert words
    for problem in problems:
        assert problem.message.strip()
        assert len(problem.message) < 4000
        assert any(source in problem.where for source in (*sources, "[agent.", "[extension.")), problem
    words.encode()  # it can be printed
    assert SECRET not in words


def _plain(entry: Entry) -> bool:
    path = tuple(entry.key.split("."))
    return bool(entry.came_from.reference) and free_keys(path) is None and not looks_secret(path[-1])


@inputs(300)
@given(table=files, environ=environments)
def test_tables(file: Path, table: dict[str, Any], environ: dict[str, str]) -> None:
    file.write_text(written(table), encoding="utf-8")
    load(file, environ)


pieces = st.lists(
    st.one_of(
        st.sampled_from(["[", "]", "{", "}", "[[", "]]", "=", ",", ".", "\n", '"', "'", '"""', "#", "\\u", "0x", "1e"]),
        st.sampled_from(["server", "agent", "a", "settings", "env", "file", "true", "inf", "2026-11-24", "\ufeff"]),
        st.text(string.printable, max_size=4),
    ),
    max_size=30,
).map("".join)


@inputs(300)
@given(text=st.one_of(pieces, st.binary(max_size=40)))
@example("a = " + "[" * 3000)
@example("a = " + "[" * 200 + "]" * 200)
@example("[" + ".".join("a" * 3000) + "]")
@example("a = " + "9" * 5000)
@example("server.port = 0x" + "9" * 5000)
@example("a = { file = '\\u0000' }")
def test_text(file: Path, text: str | bytes) -> None:
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    load(file, {})
