"""The metrics of `GET /metrics`. Labels are agent ids and fixed names, never anything that a caller said."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

CALLS = Counter("voice_host_calls", "Calls accepted.", ["agent"])
CALLS_REFUSED = Counter("voice_host_calls_refused", "Calls refused, by close code.", ["agent", "code"])
REQUESTS_REFUSED = Counter(
    "voice_host_requests_refused", "HTTP requests and upgrades refused, by status and reason.", ["status", "reason"]
)
LIMITS_EXCEEDED = Counter(
    "voice_host_limits_exceeded", "Calls, frames and messages over a limit, by its setting.", ["agent", "limit"]
)
CALLS_ENDED = Counter("voice_host_calls_ended", "Sessions ended, by reason.", ["agent", "reason"])
CALLS_RESUMED = Counter("voice_host_calls_resumed", "Lost calls that were resumed.", ["agent"])
SESSIONS_PARKED = Gauge("voice_host_sessions_parked", "Sessions of lost calls that can be resumed.", ["agent"])
CALLS_ACTIVE = Gauge("voice_host_calls_active", "Calls connected now.", ["agent"])
TURNS = Counter("voice_host_turns", "Turns of callers.", ["agent", "kind"])
REPLIES = Counter("voice_host_replies", "Replies, by how they ended.", ["agent", "end"])
ANSWERS_BROKEN_OFF = Counter(
    "voice_host_answers_broken_off",
    "Answers of models that were cut by a content filter or a length limit.",
    ["agent", "reason"],
)
ERRORS = Counter("voice_host_errors", "Errors reported to callers, by code.", ["agent", "code"])
TOOL_CALLS = Counter("voice_host_tool_calls", "Tools run.", ["agent", "ok"])
TOOL_TIMEOUTS = Counter("voice_host_tool_timeouts", "Tools stopped at their time limit.", ["agent", "tool"])
CALLBACK_ERRORS = Counter(
    "voice_host_callback_errors", "Callbacks that raised or took too long.", ["agent", "callback"]
)
CALLBACKS_DROPPED = Counter(
    "voice_host_callbacks_dropped", "Callbacks dropped because too many were queued.", ["agent", "callback"]
)
OBSERVER_ERRORS = Counter(
    "voice_host_observer_errors", "Observers of extensions that raised or took too long.", ["extension", "callback"]
)
OBSERVER_EVENTS_DROPPED = Counter(
    "voice_host_observer_events_dropped",
    "Events dropped for an observer because too many were queued.",
    ["extension", "callback"],
)
SAYS_DROPPED = Counter("voice_host_says_dropped", "Session.say calls dropped because too many were queued.", ["agent"])
MICROPHONE_DROPPED = Counter(
    "voice_host_microphone_dropped_bytes", "Microphone audio dropped while speech-to-text was slow.", ["agent"]
)
SPEECH_SKIPPED = Counter(
    "voice_host_speech_skipped_seconds", "Speech skipped because the caller's network was too slow for it.", ["agent"]
)
LOG_LINES_DROPPED = Counter("voice_host_log_lines_dropped", "Log lines dropped because the reader was too slow.")
LOOP_BLOCKED_SECONDS = Histogram(
    "voice_host_loop_blocked_seconds",
    "How long code blocked the event loop, and with it every call, by agent.",
    ["agent"],
    buckets=(0.25, 0.5, 1, 2.5, 5, 10, 30),
)
STT_RECONNECTS = Counter(
    "voice_host_stt_reconnects", "Streams to speech-to-text that failed and were retried, by code.", ["agent", "code"]
)
TTS_FALLBACKS = Counter(
    "voice_host_tts_fallbacks",
    "Failovers to the fallback voice, by code.",
    ["agent", "code"],
)
MODEL_FALLBACKS = Counter(
    "voice_host_model_fallbacks", "Requests that a model with fallbacks failed, by code.", ["agent", "code"]
)
BACKGROUND_FAILURES = Counter(
    "voice_host_background_failures",
    "Failures of background work, by task; empty: unhandled errors.",
    ["task"],
)
STAGE_SECONDS = Histogram(
    "voice_host_stage_seconds",
    "Time from the end of the caller's turn to each stage of the reply, by the kind of turn.",
    ["agent", "stage", "kind"],
    buckets=(0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1, 1.5, 2, 3, 5, 10, 30),
)
