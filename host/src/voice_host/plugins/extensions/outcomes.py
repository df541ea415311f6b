"""What comes of an installed extension."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from voice_host.plugins import Phase
from voice_host.plugins.guard import PhaseFailed
from voice_host.plugins.phases import Installed
from voice_host_sdk import Authenticator, SessionObserver, SpeechToText, TextToSpeech

_NO_SERVICES: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class DiscoveredExtension(Installed):
    """An installed extension. `id` is its name."""


@dataclass(frozen=True, slots=True)
class BrokenExtension:
    """An extension that cannot be used, and why. See `BrokenAgent` for the fields."""

    discovered: DiscoveredExtension
    phase: Phase
    error: str
    hint: str | None = None
    where: str | None = None
    import_ms: float | None = None

    @property
    def id(self) -> str:
        """The extension's name."""
        return self.discovered.id

    @classmethod
    def of(
        cls,
        found: DiscoveredExtension,
        failed: PhaseFailed,
        secrets: Iterable[str] = (),
        import_ms: float | None = None,
    ) -> BrokenExtension:
        """Return what may be shown of a failure: without the secrets, and short."""
        return cls(found, failed.phase, *failed.told(secrets), failed.where, import_ms)

    def __str__(self) -> str:
        source = f" of {self.discovered.distribution} {self.discovered.version}" if self.discovered.distribution else ""
        place = f" ({self.where})" if self.where else ""
        return f"the extension {self.id!r}{source} was not {self.phase}: {self.error}{place}"


@dataclass(frozen=True, slots=True)
class LoadedExtension:
    """An extension whose hooks have been asked, all but `register_routes`.

    Attributes:
        register_routes: takes the FastAPI application; None when it has no routes.
        secrets: texts of its settings that must not show up in what is said about it.
    """

    discovered: DiscoveredExtension
    authenticator: Authenticator | None = None
    observer: SessionObserver | None = None
    speech_to_text: Mapping[str, Callable[[], SpeechToText]] = field(default_factory=lambda: _NO_SERVICES)
    text_to_speech: Mapping[str, Callable[[], TextToSpeech]] = field(default_factory=lambda: _NO_SERVICES)
    register_routes: Callable[[Any], object] | None = None
    import_ms: float = 0.0
    warnings: tuple[str, ...] = ()
    secrets: tuple[str, ...] = field(default=(), repr=False)

    @property
    def id(self) -> str:
        """The extension's name."""
        return self.discovered.id
