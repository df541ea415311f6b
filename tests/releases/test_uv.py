"""What uv says, and what is made of it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from voice_host.releases.child import Ended
from voice_host.releases.steps import DeployRefused
from voice_host.releases.uv import Uv, reason, without_credentials

NEWER = """Using Python 3.11.7 environment at: env
Resolved 5 packages in 1ms
error: No solution found when resolving dependencies
  cause: Because a depends on b>=2, we can conclude that your requirements are unsatisfiable.

hint: Build failures usually indicate a problem with the package
"""
OLDER = """Using Python 3.11.7 environment at: env
  × No solution found when resolving dependencies:
  ╰─▶ Because a depends on b>=2, we can conclude that
      your requirements are unsatisfiable.
"""


@pytest.mark.parametrize("said", [NEWER, OLDER])
def test_the_reason_is_what_uv_says_without_its_decoration(said: str) -> None:
    lines = reason(Ended(1, "", said)).splitlines()
    assert lines[0].startswith("No solution found when resolving dependencies")
    assert "Because a depends on b>=2" in lines[1]
    assert lines[-1].endswith("your requirements are unsatisfiable.")


def test_a_signal_is_a_reason_too() -> None:
    assert reason(Ended(-9, "", "Resolved 5 packages")) == "uv was ended by SIGKILL"
    assert reason(Ended(-25, "", "")) == "uv was ended by SIGXFSZ: File too large"
    assert reason(Ended(2, "", "")) == "uv exited with 2"


def test_no_password_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UV_INDEX_ACME_PASSWORD", "in-a-variable")
    text = "Failed to fetch `https://me:in-the-address@example.com/a@1.0/simple`: in-a-variable is wrong"
    assert without_credentials(text) == "Failed to fetch `https://***@example.com/a@1.0/simple`: *** is wrong"


def use(program: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a program be found as uv."""
    monkeypatch.setitem(sys.modules, "uv", None)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")


@pytest.mark.real_time
@pytest.mark.parametrize(
    ("said", "hint"),
    [
        ("Failed to copy: No space left on device (os error 28)", "make room on the disk"),
        ("Failed to initialize cache at `/nowhere`", "set UV_CACHE_DIR"),
        ("Failed to fetch: `https://example.com/`", "a package index cannot be reached"),
        ("Failed to build `agent`", "uv build --wheel"),
        ("Something new", None),
    ],
)
async def test_uv_s_reason_comes_with_a_hint_and_in_a_scrubbed_environment(
    said: str, hint: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "uv"
    program.write_text(f"#!/bin/sh\nenv > {tmp_path}/environment\necho 'error: {said}' >&2\nexit 2\n")
    program.chmod(0o755)
    use(program, monkeypatch)
    monkeypatch.setenv("OPENAI_API_KEY", "the-platform-s")
    monkeypatch.setenv("UV_PROJECT_ENVIRONMENT", "elsewhere")
    monkeypatch.setenv("UV_DEFAULT_INDEX", "the-index-of-the-host")
    with pytest.raises(DeployRefused) as refused:
        await Uv()("pip", "install", folder=tmp_path, phase="install")
    assert (refused.value.message, refused.value.phase) == (said, "install")
    assert refused.value.hint is None if hint is None else hint in str(refused.value.hint)
    seen = dict(line.split("=", 1) for line in (tmp_path / "environment").read_text().splitlines())
    assert seen["UV_DEFAULT_INDEX"] == "the-index-of-the-host"
    assert not {"OPENAI_API_KEY", "UV_PROJECT_ENVIRONMENT"} & seen.keys()


@pytest.mark.real_time
async def test_uv_is_ended_after_its_time_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "uv"
    program.write_text("#!/bin/sh\nsleep 600 &\nsleep 600\n")
    program.chmod(0o755)
    use(program, monkeypatch)
    with pytest.raises(DeployRefused, match="uv venv took longer than"):
        await Uv()("venv", folder=tmp_path, phase="install", limit_s=0.2)
