"""Distributions whose entry points nobody can read, and what must not stumble over them. The standard library alone.

pydantic reads the entry points of all distributions when its first model is made, and gives up with that model when one
of them cannot be read. Nothing that uses pydantic could then be imported.
"""

from __future__ import annotations

import os
from importlib.metadata import distributions

_VARIABLE = "PYDANTIC_DISABLE_PLUGINS"


def keep_pydantic_importable() -> None:
    """Let pydantic do without plugins where it cannot look for them. To be called before anything imports it.

    Takes some 3 ms for a hundred distributions. Who is damaged is told where agents are discovered.
    """
    try:
        for distribution in distributions():
            _ = distribution.entry_points
    except Exception:  # noqa: BLE001 - it may be damaged in any way
        os.environ.setdefault(_VARIABLE, "__all__")
