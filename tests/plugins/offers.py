"""Throw-away extensions, and loading what is installed of them."""

from collections.abc import Mapping
from typing import Any

from voice_host.plugins import BrokenExtension, LoadedExtension, load_extensions
from voice_host.settings import load_settings
from voice_host.speech.builtin import BuiltInProviders

VOICE = """
from voice_host_sdk import extensionimpl

class Voice:
    name = "Beep"
    async def open(self, config): ...
    async def aclose(self): ...

@extensionimpl
def text_to_speech_providers(settings):
    return {settings.get("service", "beep"): Voice}
"""


def outcomes(**environ: str) -> Mapping[str, LoadedExtension | BrokenExtension]:
    """Load all extensions; `front_door__realm="x"` is a setting of the extension `front-door`."""
    variables = {f"VOICE_HOST_EXTENSION__{name.upper()}": value for name, value in environ.items()}
    return load(variables)


def load(environ: Mapping[str, str], **options: Any) -> Mapping[str, LoadedExtension | BrokenExtension]:
    """Load all extensions with these variables and options."""
    settings = load_settings(environ=environ, options=options)
    return {outcome.id: outcome for outcome in load_extensions(settings, BuiltInProviders(settings))}


def loaded(name: str, **environ: str) -> LoadedExtension:
    """Load all and return one that works."""
    outcome = outcomes(**environ)[name]
    assert isinstance(outcome, LoadedExtension), outcome
    return outcome


def broken(name: str, **environ: str) -> BrokenExtension:
    """Load all and return one that is broken."""
    outcome = outcomes(**environ)[name]
    assert isinstance(outcome, BrokenExtension), outcome
    return outcome
