"""`[limits]`: limits on callers. docs/reference/configuration.md gives the reasons for the defaults."""

from __future__ import annotations

from pydantic import BaseModel, Field

from voice_host.settings.field_types import TABLE


class LimitsSettings(BaseModel):
    """`[limits]`: on concurrent calls, on what a client sends, and on durations."""

    model_config = TABLE

    max_calls: int = Field(default=500, ge=1, description="Calls at once.")
    max_calls_per_caller: int = Field(default=100, ge=1, description="Concurrent calls of one authenticated identity.")
    max_calls_per_address: int = Field(
        default=50,
        ge=1,
        description="Concurrent calls from one IPv4 address or IPv6 /64, and four times as many from a /48. Loopback "
        "is not limited.",
    )
    max_call_starts_per_minute: int = Field(
        default=120,
        ge=1,
        description="Calls that one authenticated identity or address may start or resume per minute.",
    )
    max_auth_failures_per_minute: int = Field(
        default=10,
        ge=1,
        description="Failed authentications per address; beyond that it is blocked, each time for twice as long.",
    )
    max_connections: int = Field(
        default=4096,
        ge=1,
        description="Open connections, at most a quarter of the file descriptors. A new one replaces an idle one.",
    )
    max_connections_per_address: int = Field(
        default=256,
        ge=1,
        description="Open connections per address, at most half of all. Loopback and proxies are not limited.",
    )
    max_call_s: float = Field(
        default=14400.0, gt=0, description="Maximum length of a call; an agent may have a shorter one."
    )
    handshake_timeout_s: float = Field(
        default=10.0, gt=0, description="Time limit for a complete request; then the connection is closed."
    )
    ping_interval_s: float = Field(default=20.0, gt=0, description="How often a client is pinged.")
    ping_timeout_s: float = Field(
        default=20.0, gt=0, description="A client that does not answer a ping in time counts as lost."
    )
    send_timeout_s: float = Field(
        default=5.0, gt=0, description="A client that accepts no frame for this long counts as lost."
    )
    max_lag_s: float = Field(
        default=1.0,
        gt=0,
        allow_inf_nan=True,  # `inf`: never; `nan` fails `gt`
        description="How late speech may be because the client is slow; beyond that, some of it is skipped.",
    )
    max_frame_bytes: int = Field(default=1 << 20, ge=1024, description="Largest WebSocket message from a client.")
    max_json_bytes: int = Field(default=65536, ge=256, description="Largest JSON message from a client.")
    max_typed_chars: int = Field(default=4000, ge=1, description="Longest typed turn.")
    max_metadata_bytes: int = Field(
        default=8192, ge=0, description="Longest query string, which becomes Session.metadata."
    )
    messages_per_s: float = Field(default=20.0, gt=0, description="JSON messages per second from a client.")
