"""The pydantic configuration of all tables of the settings."""

from __future__ import annotations

from pydantic import ConfigDict

TABLE = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True, allow_inf_nan=False)
"""TOML has `inf` and `nan`, and Python parses them in variables, but most times and limits have no use for them."""
