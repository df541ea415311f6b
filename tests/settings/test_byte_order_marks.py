"""Byte order marks, which editors of Windows write, in every file that people write.

The ids of cases are those of public reports.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Run, plugins, run
from tests.dev.project import PYPROJECT, Project
from voice_host.auth.key_file import read_keys
from voice_host.auth.token_secret import secret_beside
from voice_host.dev.source import read_tree
from voice_host.settings import load_settings

__all__ = ["plugins", "run"]  # fixtures

MARK = b"\xef\xbb\xbf"


@pytest.mark.parametrize("lines", ["\n", "\r\n"], ids=["27-09", "27-09 with the line ends of Windows"])
def test_the_settings_are_read_by_the_real_verb(run: Run, tmp_path: Path, lines: str) -> None:
    text = f"[server]{lines}port = 8123{lines}"
    (tmp_path / "voice-host.toml").write_bytes(MARK + text.encode())
    result = run("config")
    assert result.exit_code == 0, result.output
    assert "8123" in result.output


def test_a_secret_that_a_file_holds_begins_after_it(tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_bytes(MARK + b"hunter-2\r\n")
    file = tmp_path / "voice-host.toml"
    file.write_text('[agent.a.settings]\ncrm = { file = "secret.txt" }\n', encoding="utf-8")
    assert load_settings(file, {}).for_agent("a").settings["crm"] == "hunter-2"


def test_the_key_file_and_the_secret_beside_it_are_read(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    file.write_bytes(MARK + json.dumps({"version": 1, "keys": []}).encode())
    assert read_keys(file).keys == ()
    secret = "a" * 40
    beside = tmp_path / "keys.json.token-secret"
    beside.touch(mode=0o600)
    beside.write_bytes(MARK + secret.encode() + b"\r\n")
    assert secret_beside(file) == secret.encode()


def test_the_project_of_dev_is_read_and_its_extras_are_ignored(tmp_path: Path) -> None:
    Project(tmp_path)
    text = PYPROJECT.replace('"ice_cream"', '"ice_cream [speech]"')
    (tmp_path / "pyproject.toml").write_bytes(MARK + text.encode())
    assert read_tree(tmp_path).entry_points == {"ice-cream": "ice_cream"}
