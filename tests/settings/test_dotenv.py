"""`.env` in the working directory: what is read from it, what wins over it, and that it is named as a source."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from voice_host.settings import Settings, SettingsError, environment_for_children, known_secrets, load_settings

Load = Callable[..., Settings]


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Load]:
    """Load settings from the text of `.env`, the given variables and nothing else."""
    before = dict(os.environ)
    monkeypatch.chdir(tmp_path)
    for name in [name for name in before if name.startswith(("VOICE_HOST_", "ASSEMBLYAI_"))]:
        del os.environ[name]
    del os.environ["PYTHON_DOTENV_DISABLED"]

    def load(text: str | bytes, **environ: str) -> Settings:
        (tmp_path / ".env").write_bytes(text if isinstance(text, bytes) else text.encode())
        os.environ.update(environ)
        return load_settings()

    yield load
    os.environ.clear()
    os.environ.update(before)


def test_settings_and_keys_are_read_and_the_file_is_their_source(load: Load) -> None:
    settings = load("# mine\n\nexport ASSEMBLYAI_API_KEY='key-1'\nVOICE_HOST_SERVER__PORT=9000 # free\n")
    assert settings.server.port == 9000
    assert settings.keys.assemblyai_api_key is not None
    assert settings.keys.assemblyai_api_key.get_secret_value() == "key-1"
    assert settings.speech_to_text == "assemblyai"
    assert str(settings.came_from("server", "port")) == ".env VOICE_HOST_SERVER__PORT"
    assert settings.came_from("ASSEMBLYAI_API_KEY").kind == ".env"
    assert "key-1" not in repr(settings)
    assert "key-1" in known_secrets(settings)
    assert "ASSEMBLYAI_API_KEY" not in os.environ


@pytest.mark.parametrize(("given", "expected"), [("8001", 8001), ("", 8000)])
def test_a_variable_of_the_process_wins_even_an_empty_one(load: Load, given: str, expected: int) -> None:
    settings = load("VOICE_HOST_SERVER__PORT=9000\n", VOICE_HOST_SERVER__PORT=given)
    assert settings.server.port == expected


def test_the_settings_file_may_be_named_in_it_and_may_refer_to_it(load: Load, tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text("[agent.desk.settings]\ncrm = { env = 'CRM_TOKEN' }\n", encoding="utf-8")
    settings = load("VOICE_HOST_CONFIG=mine.toml\nCRM_TOKEN=hunter-2\n")
    assert settings.for_agent("desk").settings["crm"] == "hunter-2"
    assert str(settings.came_from("agent", "desk", "settings", "crm")) == "file mine.toml (env CRM_TOKEN in .env)"
    (tmp_path / "mine.toml").unlink()
    with pytest.raises(SettingsError, match=r"\.env: VOICE_HOST_CONFIG: there is no file mine\.toml"):
        load_settings()


def test_other_variables_reach_those_who_read_the_environment(load: Load) -> None:
    load(
        "MODELS_KEY=one\nMODELS_URL=https://${MODELS_HOST}/\nMODELS_HOST=example.com\nVOICE_HOST_TOKEN=t\n",
        MODELS_KEY="",
    )
    assert os.environ["MODELS_URL"] == "https:///"  # a value may refer to what stands above it
    assert os.environ["MODELS_KEY"] == ""
    assert os.environ["VOICE_HOST_TOKEN"] == "t"


def test_what_was_read_is_not_mistaken_for_a_variable_of_the_process(load: Load) -> None:
    load("MODELS_KEY=one\n")
    load("MODELS_KEY=two\n")
    assert os.environ["MODELS_KEY"] == "two"
    assert "MODELS_KEY" not in environment_for_children()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("A=1\n\n\nkey-1 secret\n", ".env, line 4: write NAME=value"),
        ("key-1\n", ".env, line 1: write NAME=value"),
        ("A=1\nB='key-1\nC=2\n", ".env, line 2: write NAME=value; a value that begins with a quote must end with"),
        ("'A=B'=key-1\n", ".env, line 1: write NAME=value"),
        ("A=key-1\0\n", ".env, line 1: contains a NUL character"),
        ("A=key-1 \xfc\n".encode("latin-1"), ".env: is not UTF-8 text"),
        ("VOICE_HOST_SERVER__PROT=key-1\n", ".env: VOICE_HOST_SERVER__PROT: there is no such variable; did you mean"),
        ("VOICE_HOST_SERVER__PORT=many\n", ".env: VOICE_HOST_SERVER__PORT: must be a whole number"),
        ("ASSEMBLYAI_TTS_WSS_URL=key-1\n", ".env: ASSEMBLYAI_TTS_WSS_URL: "),
    ],
)
def test_what_is_wrong_is_named_with_its_place_and_no_value(load: Load, text: str | bytes, problem: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load(text)
    assert str(caught.value).startswith(problem)
    assert "key-1" not in str(caught.value)


def test_a_file_that_cannot_be_read_is_an_error(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> str:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_text", refuse)
    with pytest.raises(SettingsError, match=r"^\.env: cannot be read: Permission denied$"):
        load("A=1\n")


def test_a_folder_of_that_name_is_left_alone(load: Load, tmp_path: Path) -> None:
    (tmp_path / ".env").mkdir()
    assert load_settings().server.port == 8000


def test_a_byte_order_mark_is_no_part_of_the_first_name(load: Load) -> None:
    assert load(b"\xef\xbb\xbfVOICE_HOST_SERVER__PORT=9000\r\n").server.port == 9000


def test_it_can_be_switched_off(load: Load) -> None:
    assert load("VOICE_HOST_SERVER__PORT=9000\n", PYTHON_DOTENV_DISABLED="1").server.port == 8000


def test_no_test_and_no_process_that_a_test_starts_reads_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".env").write_text("VOICE_HOST_NONSENSE=1\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    load_settings()
    assert voice_host_config(tmp_path, os.environ).returncode == 0
    switched_on = {name: value for name, value in os.environ.items() if name != "PYTHON_DOTENV_DISABLED"}
    assert ".env: VOICE_HOST_NONSENSE: there is no such variable" in voice_host_config(tmp_path, switched_on).stderr


def voice_host_config(folder: Path, environ: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "voice_host", "config"]
    return subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, check=False)
