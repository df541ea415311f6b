"""Platform extensions: finding, loading and collecting them. A broken one is fatal for whoever serves."""

from voice_host.plugins.extensions.collect import Extensions, ExtensionsBroken, Offer
from voice_host.plugins.extensions.load import HOST_EXTENSION, discover_extensions, load_built_in, load_extensions
from voice_host.plugins.extensions.outcomes import BrokenExtension, DiscoveredExtension, LoadedExtension
from voice_host.plugins.extensions.start import start_extension, stop_extension

__all__ = [
    "HOST_EXTENSION",
    "BrokenExtension",
    "DiscoveredExtension",
    "Extensions",
    "ExtensionsBroken",
    "LoadedExtension",
    "Offer",
    "discover_extensions",
    "load_built_in",
    "load_extensions",
    "start_extension",
    "stop_extension",
]
