"""Settings that have gone. For one version they are ignored with a warning; then they are unknown like any other."""

from __future__ import annotations

from collections.abc import Mapping

from voice_host.settings.provenance import KeyPath

_ONE_PROCESS = "embedded speech runs in threads of the host, which need no setting"

RETIRED: Mapping[KeyPath, str] = {
    # Since 0.2.
    ("providers", "embedded_processes"): _ONE_PROCESS,
    ("resilience", "embedded_start_timeout_s"): _ONE_PROCESS,
    ("resilience", "embedded_answer_timeout_s"): _ONE_PROCESS,
}
"""Why each of them is no longer needed."""
