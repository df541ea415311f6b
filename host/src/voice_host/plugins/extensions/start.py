"""Starting and stopping extensions: what their observers do once a process."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from voice_host.plugins import Phase
from voice_host.plugins.extensions.outcomes import BrokenExtension, LoadedExtension
from voice_host.plugins.guard import PhaseFailed
from voice_host.plugins.start import run_once


async def start_extension(extension: LoadedExtension, timeout_s: float) -> LoadedExtension | BrokenExtension:
    """Run the `on_startup` of its observer, if it has one. Never raises for what it does."""
    if extension.observer is None:
        return extension
    return await _run(extension, Phase.STARTED, "on_startup", extension.observer.on_startup, timeout_s)


async def stop_extension(extension: LoadedExtension, timeout_s: float) -> LoadedExtension | BrokenExtension:
    """Run the `on_shutdown` of its observer, after the last event. Never raises for what it does."""
    if extension.observer is None:
        return extension
    return await _run(extension, Phase.STOPPED, "on_shutdown", extension.observer.on_shutdown, timeout_s)


async def _run(
    extension: LoadedExtension, phase: Phase, name: str, callback: Callable[[], Awaitable[None]], timeout_s: float
) -> LoadedExtension | BrokenExtension:
    try:
        await run_once(f"{name} of the extension {extension.id}", phase, name, callback, timeout_s)
    except PhaseFailed as failed:
        return BrokenExtension.of(extension.discovered, failed, extension.secrets, extension.import_ms)
    return extension
