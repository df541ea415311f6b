"""Settings that were removed. For one version they are ignored with a warning, after that they are unknown."""

from __future__ import annotations

from collections.abc import Mapping

from voice_host.settings.provenance import KeyPath

_ONE_PROCESS = "embedded speech runs in threads of the host, which need no setting"
_FIXED = "the value is now fixed"

RETIRED: Mapping[KeyPath, str] = {
    # Since 0.2.
    ("providers", "embedded_processes"): _ONE_PROCESS,
    ("resilience", "embedded_start_timeout_s"): _ONE_PROCESS,
    ("resilience", "embedded_answer_timeout_s"): _ONE_PROCESS,
    ("resilience", "speech_max_message_bytes"): _FIXED,
    ("resilience", "speech_queued_frames"): _FIXED,
    ("resilience", "stt_retry_first_s"): _FIXED,
    ("resilience", "stt_retry_max_s"): _FIXED,
    ("resilience", "stt_max_replays"): _FIXED,
    ("resilience", "model_keep_alive_s"): _FIXED,
    ("limits", "write_buffer_bytes"): _FIXED,
    ("limits", "messages_burst_s"): _FIXED,
    ("limits", "audio_burst_s"): _FIXED,
    ("limits", "patience_s"): _FIXED,
}
"""Why each of them was removed."""
