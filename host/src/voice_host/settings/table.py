"""What all tables of the settings have in common."""

from __future__ import annotations

from pydantic import ConfigDict

TABLE = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True, allow_inf_nan=False)
"""TOML knows `inf` and `nan`, and Python reads them in variables: as a time or a limit they would mean nothing."""
