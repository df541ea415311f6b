"""The metrics of `GET /metrics`. Labels are agent ids and fixed names, never anything that a caller said.

Each is counted in the process where it happens. The front adds up what the worker processes count: `figures`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from prometheus_client import Counter, Gauge, Histogram
from prometheus_client.utils import floatToGoString


@dataclass(frozen=True, slots=True)
class SampleKind:
    """What may be in a sample of one of these metrics.

    Attributes:
        family: the metric, without `_total` and the like.
        labels: names of the labels.
        accumulates: whether it only grows, and is kept when the process that counts it has ended.
        bounds: the values of the label `le` of a histogram's bucket.
    """

    family: str
    labels: frozenset[str]
    accumulates: bool = True
    bounds: frozenset[str] = frozenset()


_kinds: dict[str, SampleKind] = {}
SAMPLE_KINDS: Mapping[str, SampleKind] = _kinds
"""By the names of the samples. Without `_created`, which says when a process began to count."""


def bucket_label(bound: float) -> str:
    """Return an upper bound as the value of the label `le`."""
    return str(floatToGoString(bound))  # type: ignore[no-untyped-call]


def _counter(name: str, documentation: str, labels: Sequence[str] = ()) -> Counter:
    _kinds[f"{name}_total"] = SampleKind(name, frozenset(labels))
    return Counter(name, documentation, labels)


def _gauge(name: str, documentation: str, labels: Sequence[str] = ()) -> Gauge:
    _kinds[name] = SampleKind(name, frozenset(labels), accumulates=False)
    return Gauge(name, documentation, labels)


def _histogram(name: str, documentation: str, labels: Sequence[str], buckets: Sequence[float]) -> Histogram:
    of_all = frozenset(labels)
    bounds = frozenset(map(bucket_label, (*buckets, float("inf"))))
    _kinds[f"{name}_bucket"] = SampleKind(name, of_all | {"le"}, bounds=bounds)
    _kinds[f"{name}_sum"] = _kinds[f"{name}_count"] = SampleKind(name, of_all)
    return Histogram(name, documentation, labels, buckets=buckets)


CALLS = _counter("voice_host_calls", "Calls accepted.", ["agent"])
CALLS_REFUSED = _counter("voice_host_calls_refused", "Calls refused, by close code.", ["agent", "code"])
REQUESTS_REFUSED = _counter(
    "voice_host_requests_refused", "HTTP requests and upgrades refused, by status and reason.", ["status", "reason"]
)
LIMITS_EXCEEDED = _counter(
    "voice_host_limits_exceeded", "Calls, frames and messages over a limit, by its setting.", ["agent", "limit"]
)
PHONE_CALLS = _counter("voice_host_phone_calls", "Telephone calls that are over.", ["carrier", "direction", "outcome"])
PHONE_REFUSED = _counter(
    "voice_host_phone_refused",
    "Requests of telephone carriers that did not lead to a call, by reason.",
    ["carrier", "reason"],
)
PHONE_NOT_TOLD = _counter(
    "voice_host_phone_not_told",
    "Refused telephone callers who heard no sentence, because too many were being told one.",
    ["carrier"],
)
PHONE_TRANSFERS_REFUSED = _counter(
    "voice_host_phone_transfers_refused", "Transfers of telephone calls that were refused.", ["carrier", "reason"]
)
CALLS_ENDED = _counter("voice_host_calls_ended", "Sessions ended, by reason.", ["agent", "reason"])
CALLS_RESUMED = _counter("voice_host_calls_resumed", "Lost calls that were resumed.", ["agent"])
SESSIONS_RESTORED = _counter(
    "voice_host_sessions_restored", "Sessions that continue after their process was lost or replaced.", ["agent"]
)
SESSIONS_PARKED = _gauge("voice_host_sessions_parked", "Sessions of lost calls that can be resumed.", ["agent"])
CALLS_ACTIVE = _gauge("voice_host_calls_active", "Calls connected now.", ["agent"])
TURNS = _counter("voice_host_turns", "Turns of callers.", ["agent", "kind"])
REPLIES = _counter("voice_host_replies", "Replies, by how they ended.", ["agent", "end"])
ANSWERS_BROKEN_OFF = _counter(
    "voice_host_answers_broken_off",
    "Answers of models that were cut by a content filter or a length limit.",
    ["agent", "reason"],
)
KEYS_PRESSED = _counter("voice_host_keys_pressed", "Telephone keys that callers pressed.", ["agent"])
CALLS_ANSWERED = _counter(
    "voice_host_calls_answered", "Outbound calls, by who answered, as far as carriers found out.", ["agent", "by"]
)
ERRORS = _counter("voice_host_errors", "Errors reported to callers, by code.", ["agent", "code"])
TOOL_CALLS = _counter("voice_host_tool_calls", "Tools run.", ["agent", "ok"])
TOOL_TIMEOUTS = _counter("voice_host_tool_timeouts", "Tools stopped at their time limit.", ["agent", "tool"])
CALLBACK_ERRORS = _counter(
    "voice_host_callback_errors", "Callbacks that raised or took too long.", ["agent", "callback"]
)
CALLBACKS_DROPPED = _counter(
    "voice_host_callbacks_dropped", "Callbacks dropped because too many were queued.", ["agent", "callback"]
)
OBSERVER_ERRORS = _counter(
    "voice_host_observer_errors", "Observers of extensions that raised or took too long.", ["extension", "callback"]
)
OBSERVER_EVENTS_DROPPED = _counter(
    "voice_host_observer_events_dropped",
    "Events dropped for an observer because too many were queued.",
    ["extension", "callback"],
)
SAYS_DROPPED = _counter("voice_host_says_dropped", "Session.say calls dropped because too many were queued.", ["agent"])
MICROPHONE_DROPPED = _counter(
    "voice_host_microphone_dropped_bytes", "Microphone audio dropped while speech-to-text was slow.", ["agent"]
)
SPEECH_SKIPPED = _counter(
    "voice_host_speech_skipped_seconds", "Speech skipped because the caller's network was too slow for it.", ["agent"]
)
LOG_LINES_DROPPED = _counter(
    "voice_host_log_lines_dropped",
    "Log lines dropped because the reader was too slow, or because an agent wrote too many.",
    ["agent"],
)
SAMPLES_DROPPED = _counter(
    "voice_host_samples_dropped", "Samples of worker processes that are not shown: unknown, or too many.", ["agent"]
)
LOOP_BLOCKED_SECONDS = _histogram(
    "voice_host_loop_blocked_seconds",
    "How long code blocked the event loop, and with it every call, by agent.",
    ["agent"],
    buckets=(0.25, 0.5, 1, 2.5, 5, 10, 30),
)
STT_RECONNECTS = _counter(
    "voice_host_stt_reconnects", "Streams to speech-to-text that failed and were retried, by code.", ["agent", "code"]
)
TTS_FALLBACKS = _counter(
    "voice_host_tts_fallbacks",
    "Failovers to the fallback voice, by code.",
    ["agent", "code"],
)
MODEL_FALLBACKS = _counter(
    "voice_host_model_fallbacks", "Requests that a model with fallbacks failed, by code.", ["agent", "code"]
)
WORKERS_ENDED = _counter(
    "voice_host_workers_ended",
    "Worker processes that ended although they should not have, by reason.",
    ["agent", "reason"],
)
AGENT_BROKEN = _gauge("voice_host_agent_broken", "1 if an agent is broken, else 0.", ["agent"])
BACKGROUND_FAILURES = _counter(
    "voice_host_background_failures",
    "Failures of background work, by task; empty: unhandled errors.",
    ["agent", "task"],
)
STAGE_SECONDS = _histogram(
    "voice_host_stage_seconds",
    "Time from the end of the caller's turn to each stage of the reply, by the kind of turn.",
    ["agent", "stage", "kind"],
    buckets=(0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1, 1.5, 2, 3, 5, 10, 30),
)
