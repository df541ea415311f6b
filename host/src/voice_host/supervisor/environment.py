"""The environment variables of worker processes."""

from __future__ import annotations

import os
from collections.abc import Mapping

from voice_host.settings import Settings
from voice_host.settings.transfer import keys_to_send

BASE = (
    *("PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LANGUAGE", "TZ", "TMPDIR", "VIRTUAL_ENV", "LD_LIBRARY_PATH"),
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "PYDANTIC_DISABLE_PLUGINS"),
)
"""Variables that every worker gets, with those that begin with one of `BASE_PREFIXES`."""

BASE_PREFIXES = ("LC_", "PYTHON", "XDG_")

ALWAYS = {"OPENBLAS_NUM_THREADS": "1"}
"""numpy would start threads on import, which do not survive a fork."""


def base_environment(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the variables with which worker processes and their zygote are started: they hold no secrets."""
    base = {name: value for name, value in environ.items() if name in BASE or name.startswith(BASE_PREFIXES)}
    return {**base, **ALWAYS}


def keys_for(settings: Settings, agent_id: str, environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the variables that the worker of an agent gets in its order: keys and addresses of services."""
    base = base_environment(environ)
    others = {name: value for name, value in environ.items() if name not in base and not name.startswith("VOICE_HOST_")}
    return {**others, **keys_to_send(settings)}
