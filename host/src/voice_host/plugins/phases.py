"""The phases of a plugin, and what loading one results in: loaded, broken or disabled."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import Any

from voice_host.settings import AskedKeys
from voice_host_sdk import AgentConfig, Authenticator, LifecycleCallbacks, SessionObserver, SpeechToText, TextToSpeech

_NO_SERVICES: Mapping[str, Any] = MappingProxyType({})


class Phase(StrEnum):
    """The phases of a plugin, in order. A broken plugin names the first phase that it failed."""

    DISCOVERED = "discovered"  # its entry point was found and has a valid, unique name
    ALLOWED = "allowed"  # the allow-list contains it
    COMPATIBLE = "compatible"  # the SDK range it declares includes the SDK of this host
    IMPORTED = "imported"
    REGISTERED = "registered"  # its hooks are known, synchronous and complete
    CONFIGURED = "configured"  # its hooks returned valid objects
    STARTED = "started"  # on_startup returned
    STOPPED = "stopped"  # on_shutdown returned


@dataclass(frozen=True, slots=True)
class DiscoveredPlugin:
    """An installed plugin, as its metadata describes it. Nothing of it has been imported. Plain data.

    Attributes:
        id: the name of the entry point.
        distribution: the pip package that it comes from.
        version: the version of that package.
        entry_point: `package` or `package:object`.
        sdk_requirement: the declared range of `voice-host-sdk`, e.g. `<2,>=1`; None if it declares none.
        environment: the folder of the virtual environment that it is installed in; None: the host's own environment.
    """

    id: str
    distribution: str
    version: str
    entry_point: str
    sdk_requirement: str | None
    environment: Path | None = None


@dataclass(frozen=True, slots=True)
class DiscoveredAgent(DiscoveredPlugin):
    """An installed agent."""


@dataclass(frozen=True, slots=True)
class DiscoveredExtension(DiscoveredPlugin):
    """An installed extension. `id` is its name."""


@dataclass(frozen=True, slots=True)
class BrokenPlugin:
    """A plugin that cannot be used, and why. Plain data.

    Attributes:
        discovered: what was found.
        phase: the phase that it failed.
        error: one line for operators, with the secrets of the plugin's settings redacted.
        hint: what to do about it.
        where: file and line in the plugin's own code, e.g. `front_desk/__init__.py:12`.
        import_ms: how long the import took; None if it was not imported.
        traceback: the plugin's own frames of the traceback, secrets redacted. For the plugin's developer: never
            shown to callers or operators.
    """

    discovered: DiscoveredPlugin
    phase: Phase
    error: str
    hint: str | None = None
    where: str | None = None
    import_ms: float | None = None
    traceback: str | None = field(default=None, repr=False)

    @property
    def id(self) -> str:
        """The name of the entry point."""
        return self.discovered.id

    def _error_and_place(self) -> str:
        place = f" ({self.where})" if self.where else ""
        return f"was not {self.phase}: {self.error}{place}"


class BrokenAgent(BrokenPlugin):
    """An agent that cannot take calls, and why."""

    __slots__ = ()

    def __str__(self) -> str:
        hint = f"; {self.hint}" if self.hint else ""
        return f"agent {self.id} is broken, it {self._error_and_place()}{hint}"


class DisabledAgent(BrokenAgent):
    """An agent that the platform has disabled. It was not imported, and nothing is wrong with it."""

    __slots__ = ()


class BrokenExtension(BrokenPlugin):
    """An extension that cannot be used, and why. `str()` leaves out the hint."""

    __slots__ = ()

    def __str__(self) -> str:
        source = f" of {self.discovered.distribution} {self.discovered.version}" if self.discovered.distribution else ""
        return f"the extension {self.id!r}{source} {self._error_and_place()}"


@dataclass(frozen=True, slots=True)
class LoadedPlugin:
    """A plugin whose hooks returned valid objects.

    Attributes:
        discovered: what was found.
        import_ms: how long the import took.
        warnings: problems that do not keep it from running.
        secrets: texts of its settings to redact from messages about it.
    """

    discovered: DiscoveredPlugin
    import_ms: float = field(default=0.0, kw_only=True)
    warnings: tuple[str, ...] = field(default=(), kw_only=True)
    secrets: tuple[str, ...] = field(default=(), repr=False, kw_only=True)

    @property
    def id(self) -> str:
        """The name of the entry point."""
        return self.discovered.id


@dataclass(frozen=True, slots=True)
class LoadedAgent(LoadedPlugin):
    """An agent whose configuration is valid.

    Attributes:
        config: what `agent_config` returned, validated.
        callbacks: what `lifecycle_callbacks` returned, or the base class's no-ops.
        asked: the keys of its settings that it has read.
    """

    config: AgentConfig
    callbacks: LifecycleCallbacks
    asked: AskedKeys = field(default_factory=AskedKeys, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class LoadedExtension(LoadedPlugin):
    """An extension whose hooks have been called, all but `register_routes`.

    Attributes:
        authenticator: what its hook returned; None if it has no such hook. The same goes for `observer`.
        speech_to_text: functions that make a speech service, by the name of the service.
        text_to_speech: the same for voices.
        register_routes: takes the FastAPI application; None if it adds no routes.
    """

    authenticator: Authenticator | None = None
    observer: SessionObserver | None = None
    speech_to_text: Mapping[str, Callable[[], SpeechToText]] = field(default_factory=lambda: _NO_SERVICES)
    text_to_speech: Mapping[str, Callable[[], TextToSpeech]] = field(default_factory=lambda: _NO_SERVICES)
    register_routes: Callable[[Any], object] | None = None
