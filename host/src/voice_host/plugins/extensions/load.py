"""Taking extensions from their metadata to what they offer, one after the other."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from importlib.metadata import version
from typing import Any, TypeVar

import pluggy

from voice_host.plugins import SLOW_IMPORT_MS, InvalidReturn, Phase, sdk_mismatch
from voice_host.plugins.conflicts import conflicts
from voice_host.plugins.extensions.collect import refuse_same_services
from voice_host.plugins.extensions.hooks import ask, has_hook, new_manager, register
from voice_host.plugins.extensions.outcomes import BrokenExtension, DiscoveredExtension, LoadedExtension
from voice_host.plugins.extensions.validate import valid_authenticator, valid_observer, valid_services
from voice_host.plugins.guard import PhaseFailed, guarded
from voice_host.plugins.load import Stopwatch, import_object
from voice_host.plugins.metadata import SDK_DISTRIBUTION, installed
from voice_host.settings import Settings, meant_instead, read_only, secret_texts
from voice_host_sdk import EXTENSION_ENTRY_POINT_GROUP

log = logging.getLogger(__name__)

HOST_EXTENSION = "voice-host"
"""The name of the extension that is the host itself: it offers the speech services that come with it."""

_HOST_VERSION = version("voice-host")  # looked up at import: it reads a file

Outcome = LoadedExtension | BrokenExtension
_Valid = TypeVar("_Valid")


def discover_extensions() -> list[DiscoveredExtension | BrokenExtension]:
    """Return every installed extension from metadata alone; one whose name is invalid or taken twice is broken."""
    found = installed(EXTENSION_ENTRY_POINT_GROUP, DiscoveredExtension)
    refused = conflicts(found, "an extension's name")
    for place, extension in enumerate(found):
        if extension.id == HOST_EXTENSION:
            refused[place] = (f"the name {HOST_EXTENSION!r} is the host's own", "rename the entry point")
    return [
        BrokenExtension(extension, Phase.DISCOVERED, *refused[place]) if place in refused else extension
        for place, extension in enumerate(found)
    ]


def load_extensions(settings: Settings, built_in: object) -> list[Outcome]:
    """Load the host's own extension, then every installed one that the allow-list lets be used, by name.

    It runs the code of the extensions in the calling thread, like `load_agent`, and never raises for what they do.

    Args:
        settings: each extension gets its own table of them, and nobody else's.
        built_in: the object with the hooks of the host's own extension.
    """
    manager = new_manager()
    outcomes: list[Outcome] = [_load_host(manager, built_in)]
    discovered = discover_extensions()
    for found in discovered:
        if not settings.extensions.allows(found.id):
            continue
        if isinstance(found, BrokenExtension):
            outcomes.append(found)
        else:
            outcomes.append(_load(manager, found, settings.for_extension(found.id)))
    outcomes += _absent(settings, {found.id for found in discovered})
    return refuse_same_services(outcomes, HOST_EXTENSION)


def load_built_in(built_in: object) -> LoadedExtension:
    """Return the host's own extension alone."""
    return _load_host(new_manager(), built_in)


def _load_host(manager: pluggy.PluginManager, built_in: object) -> LoadedExtension:
    own = DiscoveredExtension(HOST_EXTENSION, "voice-host", _HOST_VERSION, type(built_in).__module__, None)
    register(manager, built_in, own.id)
    return _asked(manager, own, read_only({}))


def _load(
    manager: pluggy.PluginManager, found: DiscoveredExtension, settings: Mapping[str, Any]
) -> LoadedExtension | BrokenExtension:
    log.info("loading extension %s from %s", found.id, found.entry_point)  # so that one that hangs can be named
    stopwatch = Stopwatch()
    try:
        with guarded(Phase.CONFIGURED, "loading it failed"):
            if mismatch := sdk_mismatch(found):
                raise PhaseFailed(Phase.COMPATIBLE, mismatch.error, mismatch.hint)
            with stopwatch:
                plugin = import_object(found.entry_point)
            register(manager, plugin, found.id)
            return _asked(manager, found, read_only(settings), stopwatch.elapsed_ms or 0.0)
    except PhaseFailed as failed:
        return BrokenExtension.of(found, failed, secret_texts(settings), stopwatch.elapsed_ms)


def _asked(
    manager: pluggy.PluginManager, found: DiscoveredExtension, settings: Mapping[str, Any], import_ms: float = 0.0
) -> LoadedExtension:
    def offered(hook: str, valid: Callable[[object], _Valid], nothing: _Valid) -> _Valid:
        with guarded(Phase.CONFIGURED, f"{hook} failed"):
            returned = ask(manager, found.id, hook, settings=settings)
        try:
            return nothing if returned is None else valid(returned)
        except InvalidReturn as error:
            raise PhaseFailed(Phase.CONFIGURED, str(error), error.hint) from error

    def services(hook: str) -> Mapping[str, Callable[[], Any]]:
        return offered(hook, lambda value: valid_services(value, hook), read_only({}))

    def register_routes(app: Any) -> object:
        return ask(manager, found.id, "register_routes", app=app, settings=settings)

    return LoadedExtension(
        found,
        authenticator=offered("authenticator", valid_authenticator, None),
        observer=offered("session_observer", valid_observer, None),
        speech_to_text=services("speech_to_text_providers"),
        text_to_speech=services("text_to_speech_providers"),
        register_routes=register_routes if has_hook(manager, found.id, "register_routes") else None,
        import_ms=import_ms,
        warnings=tuple(_warnings(found, import_ms)),
        secrets=tuple(secret_texts(settings)),
    )


def _absent(settings: Settings, names: set[str]) -> list[BrokenExtension]:
    """What the allow-list names and nobody installed is missed; settings for nobody are only warned about."""
    path = ("extensions", "allow")
    where = settings.came_from(*path).where(path)
    for name in sorted(settings.extension.keys() - names):
        log.warning("there are settings for the extension %s, which is not installed", name)
    return [
        BrokenExtension(
            DiscoveredExtension(name, "", "", "", None),
            Phase.DISCOVERED,
            f"{where} names it, but it is not installed{meant_instead(name, names)}",
            "install it, or take it out of extensions.allow",
        )
        for name in settings.extensions.allow or ()
        if name not in names
    ]


def _warnings(found: DiscoveredExtension, import_ms: float) -> list[str]:
    warnings = []
    if import_ms > SLOW_IMPORT_MS:
        warnings.append(f"importing it took {import_ms / 1000:.1f} s: import what is heavy where it is used")
    if found.sdk_requirement is None and found.id != HOST_EXTENSION:
        warnings.append(f"it declares no range of {SDK_DISTRIBUTION}: add `{SDK_DISTRIBUTION}>=1,<2`")
    return warnings
